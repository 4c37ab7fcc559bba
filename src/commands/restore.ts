import { isoTime } from "../core/backup/choose.ts";
import type { ServiceTopology } from "../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { planAppRestore, restoreApp } from "../run/backup/app.ts";
import {
  planRestore,
  restoreDatabase,
  type RestorePlan,
  type RestoreResult,
} from "../run/backup/restore-database.ts";
import type { RecoveryTarget } from "../run/backup/scratch.ts";
import { takeLock } from "../run/lock.ts";
import { openProvider, type Provider } from "../run/provider.ts";
import { loadState, stateDirectory } from "../run/state.ts";
import { judgeService } from "../run/status/judge.ts";
import { observeService } from "../run/status/observe.ts";
import { parseCommand } from "./arguments.ts";
import { requireBackups, stampOf } from "./backup.ts";
import { confirm } from "./confirm.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology, type LoadedTopology } from "./load.ts";

export const usage =
  "holdfast restore database|BACKUP [FILE|BLUEPRINT] [--at TIME] [--timeline N] [--to HOST] [--dry-run] [--yes] [--json]";

interface Flags {
  readonly at?: string;
  readonly timeline?: string;
  readonly to?: string;
  readonly yes?: boolean;
  readonly "dry-run"?: boolean;
}

/** Brings the database back from its backups, to any time; or an app host from one of its own. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals, values } = parseCommand(
    args,
    usage,
    {
      at: { type: "string" },
      timeline: { type: "string" },
      to: { type: "string" },
      "dry-run": { type: "boolean" },
      yes: { type: "boolean" },
    },
    2,
  );
  const [what, file] = positionals;
  if (what === undefined) throw usageError("restore what?");
  const loaded = await loadTopology(file, io);
  const topology = requireBackups(loaded.topology);
  const provider = await openProvider(topology, io.home, io.reporter);
  return what === "database"
    ? database(topology, provider, targetOf(values), values, io)
    : app(loaded, topology, provider, what, values, io);
}

const usageError = (found: string): HoldfastError =>
  new HoldfastError(found, { fix: `usage: ${usage}`, exitStatus: ExitStatus.usage });

/** `--at` without a zone is in this machine's time. */
export function targetOf({ at, timeline }: Pick<Flags, "at" | "timeline">): RecoveryTarget {
  const time = at === undefined ? undefined : Date.parse(at) / 1000;
  if (time !== undefined && Number.isNaN(time)) {
    throw new HoldfastError(`${at} is no time`, {
      fix: "write it as 2026-11-20T15:04:05Z",
      exitStatus: ExitStatus.usage,
    });
  }
  if (timeline !== undefined && !/^[1-9]\d{0,8}$/.test(timeline))
    throw usageError(`${timeline} is no timeline`);
  return { at: time, timeline: timeline === undefined ? undefined : Number(timeline) };
}

async function database(
  topology: ServiceTopology,
  { hosts }: Provider,
  target: RecoveryTarget,
  flags: Flags,
  io: CommandIo,
): Promise<ExitStatus> {
  const now = new Date();
  const plan = await planRestore(topology, hosts, target, now.getTime() / 1000);
  const intent = describe(plan);
  if (flags["dry-run"] === true) {
    const { backup, host, live } = plan;
    const line = { type: "restore", dryRun: true, backup: backup.label, host: host.name, live };
    io.stdout(io.json ? JSON.stringify(line) : intent);
    return ExitStatus.ok;
  }
  const question = plan.live
    ? `${intent}. The database is in use and stops until then. Go on?`
    : `${intent}. Go on?`;
  await confirm(question, flags.yes === true, io);
  const lock = await takeLock(stateDirectory(io.home, topology.name), "restore");
  try {
    const result = await restoreDatabase(topology, hosts, plan, {
      stamp: stampOf(now),
      reporter: io.reporter,
      clock: () => performance.now(),
    });
    const { verdict, tiers } = judgeService(await observeService(topology, hosts), topology);
    if (io.json) io.stdout(JSON.stringify({ type: "restore", ...result, verdict }));
    else for (const line of told(result, verdict)) io.stdout(line);
    return tiers.some(({ tier, verdict }) => tier === "database" && verdict === "down")
      ? ExitStatus.error
      : ExitStatus.ok;
  } finally {
    await lock.release();
  }
}

const describe = ({ backup, target, host }: RestorePlan): string =>
  `Restore ${backup.label} on ${host.name}, and replay the archive ${target.at === undefined ? "to its end" : `up to ${isoTime(target.at)}`}`;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function told(result: RestoreResult, verdict: string): string[] {
  const { host, backup, lastTransaction, tookMs, downMs, before } = result;
  return [
    `the database is restored from ${backup}: ${host} leads, in ${seconds(tookMs)} (not to be written for ${seconds(downMs)})`,
    `  last transaction  ${lastTransaction ?? "none after the backup"}`,
    `  replaced data     ${before} on ${host}, and beside it on the others; remove it when it is not missed`,
    `  the service       ${verdict.toUpperCase()}`,
  ];
}

async function app(
  loaded: LoadedTopology,
  topology: ServiceTopology,
  { hosts }: Provider,
  name: string,
  flags: Flags,
  io: CommandIo,
): Promise<ExitStatus> {
  const host = topology.app.hosts.includes(flags.to ?? "") ? hosts.get(flags.to ?? "") : undefined;
  if (host === undefined)
    throw usageError(`restore ${name} to which app host? --to ${topology.app.hosts.join("|")}`);
  const plan = await planAppRestore(topology, host, name);
  const intent = `Restore ${name} to ${host.name}`;
  if (flags["dry-run"] === true) {
    const line = { type: "restore", dryRun: true, backup: name, host: host.name, live: plan.live };
    io.stdout(io.json ? JSON.stringify(line) : intent);
    return ExitStatus.ok;
  }
  await confirm(plan.live ? `${intent}, which serves now?` : `${intent}?`, flags.yes === true, io);
  const lock = await takeLock(stateDirectory(io.home, topology.name), "restore");
  try {
    const state = await loadState(topology, loaded.file, io.root, io.home);
    const unit = state.desired.get(host.name)?.units.find((unit) => unit.name === topology.app.unit);
    if (unit === undefined) throw new Error(`${host.name} has no unit ${topology.app.unit}`);
    const said = await restoreApp(topology, plan, unit);
    const line = { type: "restore", of: "app", backup: name, host: host.name, said };
    io.stdout(io.json ? JSON.stringify(line) : `${host.name} serves with ${name}: ${said}`);
    return ExitStatus.ok;
  } finally {
    await lock.release();
  }
}
