/** Moves the PostgreSQL primary to a host that replicates it, in order: before maintenance of its host. */
import { restPort } from "../core/engines/postgres/paths.ts";
import { tlsPaths } from "../core/engines/tls.ts";
import type { ServiceTopology } from "../core/topology/schema.ts";
import { observePostgres, type PatroniCluster } from "../engines/postgres.ts";
import { HoldfastError } from "../lib/errors.ts";
import { lastLines } from "../lib/exec.ts";
import { poll } from "../lib/retry.ts";
import type { Host, Reporter } from "../ports.ts";

/** Sent in well under a second; who is further behind would keep the writers waiting while the primary stops. */
const MAX_LAG = 16 * 1024 ** 2;
/** All dirty buffers go to the disk: minutes where memory is large and the disk slow. Writes go on meanwhile. */
const CHECKPOINT_MS = 600_000;
/** Patroni itself gives up after 20 s. */
const HANDOVER_S = 40;
/** The old primary starts as a replica seconds later; one that must be rewound first takes longer. */
const WHOLE_MS = 120_000;

export interface DatabaseSwitchover {
  readonly from: string;
  /** Who may take over: synchronous where there are such, the least behind first. */
  readonly to: readonly string[];
  /**
   * Patroni is told the host's name. Its other replicas then wait 2 s before they follow, and with them every write
   * that needs one of them.
   */
  readonly named: boolean;
}

/**
 * Who would hand over to whom; changes nothing.
 * @param wanted the new primary's name; else the election decides among the hosts that lack nothing
 * @returns null when `wanted` is the primary
 * @throws HoldfastError when nobody, or not the wanted host, could take over now
 */
export async function planDatabaseSwitchover(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  wanted?: string,
): Promise<DatabaseSwitchover | null> {
  if (wanted !== undefined && !topology.database.hosts.includes(wanted)) {
    throw new HoldfastError(`${wanted} is no database host`, {
      fix: `one of ${topology.database.hosts.join(", ")}`,
    });
  }
  const { paused, members } = await observeCluster(topology, hosts);
  const fix = "look at `holdfast status`, and bring the database back first";
  const from = members.find(({ role, state }) => role === "leader" && state === "running")?.name;
  if (from === undefined) throw new HoldfastError("the database has no primary", { fix });
  if (wanted === from) return null;
  if (paused) {
    throw new HoldfastError("Patroni is paused: it would not finish a switchover", {
      fix: "resume it (`patronictl resume`), then try again",
    });
  }
  const streaming = members.filter(({ state }) => state === "streaming");
  const synchronous = streaming.filter(({ role }) => role === "sync_standby" || role === "quorum_standby");
  const must = topology.objectives.database.dataLoss === "none";
  const able = (must ? synchronous : streaming)
    .filter(({ lag }) => lag !== null && lag <= MAX_LAG)
    .toSorted((one, other) => (one.lag ?? 0) - (other.lag ?? 0))
    .map(({ name }) => name);
  const [first] = able;
  if (first === undefined || (wanted !== undefined && !able.includes(wanted))) {
    const seen = members
      .filter(({ name }) => name !== from && (wanted === undefined || name === wanted))
      .map(({ name, state, role, lag }) => `${name} is ${state} (${role}), ${lag ?? "?"} bytes behind`);
    throw new HoldfastError(
      `nobody can take over from ${from}: ${seen.join("; ") || "there is no replica"}`,
      {
        fix,
      },
    );
  }
  if (wanted === undefined || able.length === 1) return { from, to: able, named: false };
  return { from, to: [wanted], named: true };
}

/**
 * Ends when the new primary leads and all the others replicate it again.
 * @returns the new primary's name
 * @throws HoldfastError when nobody took over (the old primary then goes on), or redundancy does not come back
 */
export async function switchOverDatabase(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  plan: DatabaseSwitchover,
  reporter: Reporter,
): Promise<string> {
  const task = reporter.task(`the database goes from ${plan.from} to ${plan.to.join(" or ")}`);
  try {
    const from = hosts.get(plan.from);
    if (from === undefined) throw new Error(`${plan.from} is not in the topology`);
    task.update(`checkpoint on ${plan.from}`);
    await checkpoint(from);
    task.update(`${plan.from} hands over`);
    await handOver(from, plan);
    task.update("waiting until the others replicate it");
    const to = await poll(() => wholeAgain(topology, hosts, plan), {
      deadlineMs: WHOLE_MS,
      intervalMs: 500,
      what: `a new primary, and ${plan.from} as its replica`,
      fix: "look at `holdfast status`; the journal of patroni.service says why",
    });
    task.done(`${to} is primary`);
    return to;
  } catch (error) {
    task.fail((error as Error).message);
    throw error;
  }
}

/** What is dirty now need not be written while nobody is served. @throws HoldfastError when it fails */
export async function checkpoint(primary: Host): Promise<void> {
  const argv = [
    "runuser",
    "-u",
    "postgres",
    "--",
    "psql",
    "--no-psqlrc",
    "--quiet",
    "--command",
    "CHECKPOINT",
  ];
  const { code, stdout, stderr } = await primary.run(argv, { timeoutMs: CHECKPOINT_MS });
  if (code === 0) return;
  throw new HoldfastError(`${primary.name}: the checkpoint failed: ${lastLines(stderr || stdout, 3)}`);
}

/** Asks the primary's Patroni, and waits for its word. @throws HoldfastError when it hands over to nobody */
export async function handOver(
  primary: Host,
  { from, to, named }: Pick<DatabaseSwitchover, "from" | "to" | "named">,
): Promise<void> {
  const { ca, certificate, key } = tlsPaths("postgres");
  const request = { leader: from, ...(named ? { candidate: to[0] } : {}) };
  const { code, stdout, stderr } = await primary.run(
    [
      "curl",
      ..."--silent --show-error --request POST --write-out \n%{http_code}".split(" "),
      ...`--max-time ${HANDOVER_S} --cacert ${ca} --cert ${certificate} --key ${key}`.split(" "),
      "--header",
      "Content-Type: application/json",
      "--data",
      JSON.stringify(request),
      `https://${primary.address}:${restPort}/switchover`,
    ],
    { timeoutMs: (HANDOVER_S + 5) * 1000 },
  );
  if (code === 0 && stdout.endsWith("\n200")) return;
  const said = lastLines((stderr || stdout).replace(/\n\d+$/, ""), 3);
  throw new HoldfastError(`${from} did not hand over: ${said}`, {
    fix: "look at `holdfast status`; the journal of patroni.service says why",
  });
}

async function wholeAgain(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  { from, to }: DatabaseSwitchover,
): Promise<string | undefined> {
  const { members } = await observeCluster(topology, hosts);
  const leader = members.find(({ role, state }) => role === "leader" && state === "running")?.name;
  if (leader === undefined || leader === from) return undefined;
  const expected = members.filter(({ name }) => name === from || to.includes(name));
  return expected.every(({ name, state }) => name === leader || state === "streaming") ? leader : undefined;
}

const timeline = ({ members }: PatroniCluster): number =>
  members.find(({ role }) => role === "leader")?.timeline ?? 0;

/** As the host knows it whose leader has the newest timeline. @throws HoldfastError when Patroni answers nowhere */
async function observeCluster(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
): Promise<PatroniCluster> {
  const known = topology.database.hosts.flatMap((name) => hosts.get(name) ?? []);
  const seen = await Promise.all(known.map((host) => observePostgres(host, topology)));
  const [newest] = seen
    .flatMap((status) => (status.reachable && status.cluster !== null ? [status.cluster] : []))
    .toSorted((one, other) => timeline(other) - timeline(one));
  if (newest !== undefined) return newest;
  throw new HoldfastError("Patroni answers on no database host", {
    fix: "look at `holdfast status`, and bring the database back first",
  });
}
