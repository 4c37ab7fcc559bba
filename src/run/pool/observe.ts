/** The pool as its controller sees it: the entry's checks, each host's own, and the machines. */
import { tlsPaths } from "../../core/engines/tls.ts";
import { haproxyFiles } from "../../core/engines/haproxy/paths.ts";
import type { Member, Observation } from "../../core/decide/pool/types.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import type { HaproxyServer } from "../../engines/haproxy.ts";
import { HostUnreachable } from "../../lib/errors.ts";
import type { Host, Machine } from "../../ports.ts";
import { poolOf } from "../drain.ts";
import type { Provider } from "../provider.ts";
import type { PoolRecord } from "./record.ts";

/** A question to a host that has no answer by then has none, ms: a turn must not wait for a frozen host. */
const ASK_MS = 2000;

/** What the controller itself is doing to machines now, and could not do. */
export interface Work {
  readonly making: ReadonlySet<string>;
  readonly removing: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
  /** Made to the end by this process. */
  readonly made: ReadonlySet<string>;
}

export interface SeenPool extends Omit<Observation, "at"> {
  /** By entry host that answered, what its HAProxy says of each member. */
  readonly entries: ReadonlyMap<Host, readonly HaproxyServer[]>;
}

/** Looks at everything at once; takes at most `ASK_MS` or so. */
export async function observePool(
  full: ServiceTopology,
  record: PoolRecord,
  provider: Provider,
  work: Work,
): Promise<SeenPool> {
  const entries = await askEntries(full, provider);
  const members = await Promise.all(
    record.members.map((member) => observeMember(full, member, { provider, entries, work })),
  );
  const known = new Set(record.members.map(({ host }) => host));
  const orphans = provider.machines
    .map(({ name }) => name)
    .filter((name) => full.app.hosts.includes(name) && !known.has(name));
  const room = Object.fromEntries(
    full.zones.map((zone) => [
      zone,
      freeHosts(full, record, provider).filter((host) => full.hosts[host]?.zone === zone).length,
    ]),
  );
  return { members, orphans, desired: record.desired, room, entries };
}

/** Hosts of the file that are no members and have no machine: what a new member can be. */
export function freeHosts(full: ServiceTopology, record: PoolRecord, { machines }: Provider): string[] {
  return full.app.hosts.filter(
    (host) =>
      !record.members.some((member) => member.host === host) && !machines.some(({ name }) => name === host),
  );
}

async function askEntries(
  { entry }: ServiceTopology,
  { hosts }: Provider,
): Promise<Map<Host, HaproxyServer[]>> {
  const answers = await Promise.all(
    entry.hosts.map(async (name) => {
      const host = hosts.get(name);
      const rows = host === undefined ? null : await poolOf(host).catch(nullIfUnreachable);
      return host === undefined || rows === null ? [] : [[host, rows] as const];
    }),
  );
  return new Map(answers.flat());
}

interface Around {
  readonly provider: Provider;
  readonly entries: ReadonlyMap<Host, readonly HaproxyServer[]>;
  readonly work: Work;
}

async function observeMember(
  full: ServiceTopology,
  { host: name, role, protected: isProtected }: PoolRecord["members"][number],
  { provider, entries, work }: Around,
): Promise<Member> {
  const machine = provider.machines.find((one) => one.name === name);
  const rows = [...entries.values()].flatMap((servers) => servers.filter(({ server }) => server === name));
  const [monitor, entry] = await Promise.all([
    machine === undefined ? ("silent" as const) : askMonitor(machine, full),
    entryWord(full, name, role, { rows, entries }),
  ]);
  return {
    id: name,
    zone: full.hosts[name]?.zone ?? "",
    role,
    machine: machineState({ name, role, ready: entry === "up" && monitor === "well" }, machine, work),
    entry,
    monitor,
    load: null,
    sessions: entries.size === 0 ? null : rows.reduce((sum, { sessions }) => sum + sessions, 0),
    outdated: false,
    protected: isProtected,
  };
}

/** A standby that a controller before this one began to make is made on: what it lacks is done, and no more. */
function machineState(
  { name, role, ready }: { readonly name: string; readonly role: Member["role"]; readonly ready: boolean },
  machine: Machine | undefined,
  work: Work,
): Member["machine"] {
  if (work.removing.has(name)) return "removing";
  if (work.making.has(name)) return "making";
  if (work.failed.has(name)) return "failed";
  const isUnfinished = role === "standby" && !ready && !work.made.has(name);
  return machine === undefined || isUnfinished ? "absent" : "running";
}

/**
 * The entry's word of a host. One that an operator has taken out is not checked there: of it nothing is known,
 * so it is left alone. HAProxy does not check a standby either: it is asked from an entry host instead.
 */
async function entryWord(
  full: ServiceTopology,
  name: string,
  role: Member["role"],
  { rows, entries }: { readonly rows: readonly HaproxyServer[]; readonly entries: Around["entries"] },
): Promise<Member["entry"]> {
  const [entry] = entries.keys();
  if (entry === undefined) return "unknown";
  if (role === "standby") return (await askFromEntry(entry, full, name)) ? "up" : "down";
  if (rows.some(({ status }) => status === "UP")) return "up";
  return role === "serving" && rows.some(({ status }) => status === "MAINT") ? "unknown" : "down";
}

async function askFromEntry(entry: Host, full: ServiceTopology, name: string): Promise<boolean> {
  const { port } = full.app;
  const at = ["--connect-to", `${name}:${port}:${full.hosts[name]?.address ?? ""}:${port}`];
  const answer = await ask(entry, full, name, [...at, "--cacert", haproxyFiles.ca]).catch(nullIfUnreachable);
  return answer === "200";
}

async function askMonitor(host: Host, full: ServiceTopology): Promise<Member["monitor"]> {
  const answer = await ask(host, full, "localhost", ["--cacert", tlsPaths("app").ca]).catch(
    nullIfUnreachable,
  );
  if (answer === null) return "silent";
  return answer === "200" ? "well" : "sick";
}

/** @returns the status of the health path, "000" when nothing answered @throws HostUnreachable */
async function ask(
  from: Host,
  { app }: ServiceTopology,
  name: string,
  options: readonly string[],
): Promise<string> {
  const method = app.health.method === "HEAD" ? ["--head"] : ["-X", app.health.method];
  const url = `https://${name}:${app.port}${app.health.path}`;
  const seconds = String(Math.min(ASK_MS - 200, app.health.timeout) / 1000);
  const argv = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", seconds];
  const { stdout } = await from.run([...argv, ...options, ...method, url], { timeoutMs: ASK_MS });
  return stdout.trim();
}

function nullIfUnreachable(error: unknown): null {
  if (error instanceof HostUnreachable) return null;
  throw error;
}
