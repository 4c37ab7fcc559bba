/** One action of an upgrade, done on real hosts. Each may be cut anywhere and done again. */
import { appFiles, packagePath, releaseDirectory } from "../../core/engines/app/environment.ts";
import { haproxyFiles } from "../../core/engines/haproxy/paths.ts";
import type { DesiredHost } from "../../core/plan/desired.ts";
import type { Step } from "../../core/plan/steps.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import type { Action } from "../../core/upgrade/actions.ts";
import { limitsOf } from "../../core/upgrade/gate.ts";
import { type ReleaseAt, targetOf, type UpgradeRecord } from "../../core/upgrade/record.ts";
import { observeApp } from "../../engines/app.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { lastLines } from "../../lib/exec.ts";
import { poll } from "../../lib/retry.ts";
import type { Host, Reporter } from "../../ports.ts";
import { converge, observeAll, planAll, type ConvergeContext } from "../converge.ts";
import { admitHost, drainHost, entryHosts } from "../drain.ts";
import { openJournal } from "../journal.ts";
import { perform } from "../perform.ts";
import type { TopologyState } from "../state.ts";
import { adoptPackage } from "./adopt.ts";
import type { Learn } from "./run.ts";
import { watchHost } from "./watch.ts";

export interface UpgradeTools {
  readonly topology: ServiceTopology;
  readonly hosts: ReadonlyMap<string, Host>;
  /** What the hosts should be with either release, by its version. */
  readonly states: ReadonlyMap<string, TopologyState>;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  readonly timings: UpgradeTimings;
  /** The topology file: names the new package in the end. */
  readonly file: string;
}

/** All in ms. */
export interface UpgradeTimings {
  /** For requests and long connections of a host that is drained; then they are cut. */
  readonly drain: number;
  /** For a host to become healthy with its new release. */
  readonly ready: number;
  /** How long each upgraded host is watched under live traffic. */
  readonly watch: number;
}

export const usualTimings: UpgradeTimings = { drain: 30_000, ready: 60_000, watch: 10_000 };

/** So long a healthy host may take to be found so from elsewhere, ms. */
const VERIFY_MS = 15_000;

/** @returns a remark for people @throws HoldfastError when it fails; HostUnreachable */
export async function performAction(
  tools: UpgradeTools,
  action: Action,
  record: UpgradeRecord,
  learn: Learn,
): Promise<string | undefined> {
  const { topology, timings } = tools;
  const entries = entryHosts(topology, tools.hosts);
  switch (action.kind) {
    case "stage":
      return stage(tools, action.host, record.to);
    case "unstage":
      return install(tools, action.host, record.from);
    case "drain": {
      const cut = await drainHost(entries, action.host, { deadlineMs: timings.drain });
      if (cut === 0) return undefined;
      await learn({ cut: record.cut + cut });
      return `${cut} sessions did not end within ${timings.drain / 1000} s and were cut`;
    }
    case "stop":
      // Kept before: a command that is killed after it must know since when nobody is served.
      if (record.stoppedAt === null) await learn({ stoppedAt: Date.now() });
      await Promise.all(action.hosts.map((host) => stopApp(hostNamed(tools, host), topology)));
      return undefined;
    case "downgrade":
      return downgrade(hostNamed(tools, action.host), topology, record);
    case "install":
      return install(tools, action.host, targetOf(record));
    case "verify":
      return verify(tools, entries, action.host, targetOf(record));
    case "admit":
      await admitHost(entries, action.host, topology.app.health);
      if (record.stoppedAt !== null && record.servedAt === null) await learn({ servedAt: Date.now() });
      return undefined;
    case "watch":
      return watchHost(entries, action.host, {
        ms: timings.watch,
        limits: limitsOf(topology.objectives.app, record.responseMs),
        ask: () => askReads(entries, topology, hostNamed(tools, action.host)),
      });
    case "adopt":
      await adoptPackage(tools.file, record.to.package);
      return undefined;
    case "prune":
      return prune(hostNamed(tools, action.host), topology, record);
    default:
      return action satisfies never;
  }
}

function hostNamed({ hosts }: Pick<UpgradeTools, "hosts">, name: string): Host {
  const host = hosts.get(name);
  if (host === undefined)
    throw new HoldfastError(`host ${name} does not exist`, { fix: "run `holdfast up` first" });
  return host;
}

/** One host as it should be with a release, with the upgrade's own patience for its app. */
function stateFor(
  { states, topology, timings }: UpgradeTools,
  host: string,
  release: ReleaseAt,
): TopologyState {
  const state = states.get(release.version);
  const desired = state?.desired.get(host);
  if (state === undefined || desired === undefined) throw new Error(`nothing is desired of ${host}`);
  const units = desired.units.map((unit) =>
    unit.name === topology.app.unit ? { ...unit, readyTimeoutMs: timings.ready } : unit,
  );
  const own: DesiredHost = { ...desired, units };
  return { ...state, desired: new Map([[host, own]]) };
}

const contextFor = (tools: UpgradeTools, host: string, release: ReleaseAt): ConvergeContext => ({
  state: stateFor(tools, host, release),
  hosts: tools.hosts,
  reporter: tools.reporter,
  signal: tools.signal,
  command: "upgrade",
});

/** What can be done beforehand: so that a full disk or a broken archive shows before anything has been touched. */
async function stage(tools: UpgradeTools, host: string, release: ReleaseAt): Promise<undefined> {
  const context = contextFor(tools, host, release);
  const archive = packagePath(tools.topology.app.name, release.version);
  const isStaging = (step: Step): boolean =>
    (step.kind === "file" && step.path === archive) || (step.kind === "task" && step.id === "app-unpack");
  const plan = planAll(context.state, await observeAll(context.state, context.hosts));
  await perform(
    { steps: plan.steps.filter(isStaging) },
    {
      ...context,
      desired: context.state.desired,
      artifacts: context.state.artifacts,
      journal: openJournal(context.state.directory, "upgrade"),
    },
  );
}

async function install(tools: UpgradeTools, host: string, release: ReleaseAt): Promise<undefined> {
  await converge(contextFor(tools, host, release));
}

/** The app's unit and, where it is a target, all that is part of it: systemd does not wait for those by itself. */
const stopScript = `unit=$1
own=$(systemctl show --property=ConsistsOf --property=Wants --value -- "$unit" | tr ' ' '\\n' | grep '\\.service$' || true)
own=$(for each in $own; do [ "$(systemctl show --property=User --value -- "$each")" = "$2" ] && echo "$each"; done; true)
exec systemctl stop -- "$unit" $own`;

async function stopApp(host: Host, { app }: ServiceTopology): Promise<void> {
  const { code, stderr } = await host.run(["sh", "-uc", stopScript, "sh", app.unit, app.user], {
    timeoutMs: 120_000,
  });
  if (code !== 0)
    throw new HoldfastError(`${host.name}: ${app.unit} cannot be stopped: ${lastLines(stderr, 3)}`);
}

/** Nothing of the app runs now: the schema and what is in it belong to the script alone. */
async function downgrade(
  host: Host,
  { app }: ServiceTopology,
  { from, to }: UpgradeRecord,
): Promise<undefined> {
  const script = `set -a; . ${appFiles.environment}; set +a
cd "$1"
exec scripts/downgrade "$2"`;
  const argv = ["sh", "-euc", script, "sh", releaseDirectory(app.name, to.version), from.version];
  const { code, stdout, stderr } = await host.run(argv, { timeoutMs: 600_000 });
  if (code === 0) return undefined;
  throw new HoldfastError(
    `${host.name}: the migration cannot be taken back: ${lastLines(stderr || stdout, 8)}`,
  );
}

/** HAProxy's own check, asked by hand: in the pool a host serves at once, before HAProxy has checked it. */
async function verify(
  tools: UpgradeTools,
  entries: readonly Host[],
  name: string,
  release: ReleaseAt,
): Promise<undefined> {
  const { topology } = tools;
  const host = hostNamed(tools, name);
  let found = "";
  const well = async (): Promise<boolean> => {
    const seen = await observeApp(host, topology);
    if (!seen.reachable) throw new HoldfastError(seen.why);
    found = `it runs ${seen.version ?? "no release"}, health ${seen.health}`;
    if (seen.version !== release.version || !seen.healthy) return false;
    for (const entry of entries) {
      const answer = await askFrom(entry, topology, host);
      found = `${entry.name} gets ${answer} from its health path`;
      if (answer !== "200") return false;
    }
    return true;
  };
  await poll(well, { deadlineMs: VERIFY_MS, intervalMs: 500, what: `${name} to be well` }).catch(
    (error: unknown) => {
      if (!(error instanceof HoldfastError)) throw error;
      throw new HoldfastError(`${name} is not well: ${found}`, { cause: error });
    },
  );
  return undefined;
}

async function askFrom(entry: Host, topology: ServiceTopology, host: Host): Promise<string> {
  const { health } = topology.app;
  const method = health.method === "HEAD" ? ["--head"] : ["-X", health.method];
  const [answer = "", why] = await curlFrom(entry, topology, host, [...method], [health.path]);
  return answer === "000" ? (why ?? "no answer") : answer;
}

/** In a row, on one connection: so many a second are no load, and in a watch enough to tell one failing read in ten. */
const READS = 10;

/** The workload's read, asked of the host itself from the first entry host; nothing where there is no workload. */
async function askReads(
  [entry]: readonly Host[],
  topology: ServiceTopology,
  host: Host,
): Promise<{ readonly requests: number; readonly failures: number }> {
  const path = topology.app.workload?.read;
  if (entry === undefined || path === undefined) return { requests: 0, failures: 0 };
  const paths = Array.from({ length: READS }, () => path);
  const codes = (await curlFrom(entry, topology, host, [], paths)).filter((code) => /^\d{3}$/.test(code));
  return { requests: READS, failures: READS - codes.filter((code) => code === "200").length };
}

/** Status of each path, as this entry host gets it from the app host, TLS verified as HAProxy does; then curl's own words. */
async function curlFrom(
  entry: Host,
  { app }: ServiceTopology,
  host: Host,
  options: readonly string[],
  paths: readonly string[],
): Promise<string[]> {
  const name = `${host.name}:${app.port}`;
  const seconds = app.health.timeout / 1000;
  const { stdout, stderr } = await entry.run(
    [
      "curl",
      "-sS",
      "--globoff",
      "-w",
      "%{http_code}\\n",
      "--max-time",
      String(seconds),
      "--cacert",
      haproxyFiles.ca,
      "--resolve",
      `${name}:${host.address}`,
      ...options,
      ...paths.flatMap((path) => ["-o", "/dev/null", `https://${name}${path}`]),
    ],
    { timeoutMs: (seconds * paths.length + 10) * 1000 },
  );
  return [...stdout.trim().split("\n"), lastLines(stderr, 1)];
}

/** The release in use and the one before stay: going back needs no package then. */
async function prune(
  host: Host,
  { app }: ServiceTopology,
  { from, to }: UpgradeRecord,
): Promise<string | undefined> {
  const { code, stdout, stderr } = await host.run([
    "sh",
    "-euc",
    `cd "/opt/$1/releases"
for each in *; do
  [ "$each" = "$2" ] || [ "$each" = "$3" ] || [ ! -d "$each" ] || { rm -rf -- "$each"; echo "$each"; }
done`,
    "sh",
    app.name,
    from.version,
    to.version,
  ]);
  if (code !== 0)
    throw new HoldfastError(`${host.name}: old releases cannot be removed: ${lastLines(stderr, 3)}`);
  const removed = stdout.trim().split("\n").filter(Boolean);
  return removed.length === 0 ? undefined : removed.join(", ");
}
