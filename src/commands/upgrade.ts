import { describeAction, strategies, type Strategy } from "../core/upgrade/actions.ts";
import { actionsOf, canTurnBack, turnBack, type UpgradeRecord } from "../core/upgrade/record.ts";
import { duration } from "../core/duration.ts";
import { duration as durationForm, isService, type ServiceTopology } from "../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { takeLock } from "../run/lock.ts";
import { openProvider } from "../run/provider.ts";
import { stateDirectory } from "../run/state.ts";
import type { UpgradeResult } from "../run/upgrade/operate.ts";
import { type UpgradeTimings, usualTimings } from "../run/upgrade/perform.ts";
import { carryOut, prepareUpgrade, type UpgradeSite } from "../run/upgrade/prepare.ts";
import { loadRecord } from "../run/upgrade/record.ts";
import { parseCommand } from "./arguments.ts";
import { confirm } from "./confirm.ts";
import type { CommandIo } from "./io.ts";
import { type LoadedTopology, loadTopology } from "./load.ts";

export const usage =
  "holdfast upgrade PACKAGE | --resume | --rollback [--topology FILE] [--strategy rolling|limited-downtime] [--no-rollback] [--drain 30s] [--ready 60s] [--watch 10s] [--dry-run] [--yes] [--json]";

const options = {
  topology: { type: "string" },
  resume: { type: "boolean" },
  rollback: { type: "boolean" },
  strategy: { type: "string" },
  "no-rollback": { type: "boolean" },
  drain: { type: "string" },
  ready: { type: "string" },
  watch: { type: "string" },
  "dry-run": { type: "boolean" },
  yes: { type: "boolean" },
} as const;

/** Takes the app to another release, one host after the other or all at once; goes back by itself when a gate fails. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals, values } = parseCommand(args, usage, options);
  const [archive] = positionals;
  const goOn = values.resume === true || values.rollback === true;
  if (goOn === (archive !== undefined) || (values.resume === true && values.rollback === true)) {
    throw badUsage(goOn ? "--resume and --rollback go on with what is under way" : "which package?");
  }
  const timings = timingsOf(values);
  const strategy = strategyOf(values.strategy);
  const loaded = await loadTopology(values.topology, io);
  const topology = serviceOf(loaded);
  const directory = stateDirectory(io.home, topology.name);
  const lock = await takeLock(directory, "upgrade");
  try {
    const { hosts } = await openProvider(topology, io.home, io.reporter);
    const site: UpgradeSite = { ...io, topology, file: loaded.file, hosts };
    const record = goOn
      ? continued(await loadRecord(directory), values.rollback === true)
      : await prepareUpgrade(site, String(archive), { strategy, noRollback: values["no-rollback"] === true });
    if (record === null) {
      io.stdout(
        io.json ? JSON.stringify({ type: "upgrade", outcome: "nothing" }) : "it runs that package already",
      );
      return ExitStatus.ok;
    }
    if (values["dry-run"] === true) return printPlan(record, io);
    await confirm(question(topology, record), values.yes === true, io);
    return printResult(await carryOut(site, record, timings), topology, io);
  } finally {
    await lock.release();
  }
}

function continued(record: UpgradeRecord | null, back: boolean): UpgradeRecord {
  if (record === null) {
    throw new HoldfastError("no upgrade is unfinished", { fix: "begin one: holdfast upgrade PACKAGE" });
  }
  if (!back || record.direction === "back") return record;
  if (!canTurnBack(record)) {
    throw new HoldfastError(
      record.rollback !== "none"
        ? "the upgrade is as good as done: only old releases are to be removed"
        : `the upgrade to ${record.to.version} cannot be rolled back: its migration cannot`,
      { fix: "finish it with `holdfast upgrade --resume`" },
    );
  }
  return turnBack(record, "the operator asked for it");
}

function serviceOf({ topology }: LoadedTopology): ServiceTopology {
  if (!isService(topology)) {
    throw new HoldfastError(`${topology.name} has no app to upgrade: it is an entry alone`);
  }
  return topology;
}

const badUsage = (found: string): HoldfastError =>
  new HoldfastError(found, { fix: `usage: ${usage}`, exitStatus: ExitStatus.usage });

function strategyOf(given: string | undefined): Strategy | undefined {
  const found = strategies.find((strategy) => strategy === given);
  if (given !== undefined && found === undefined) throw badUsage(`--strategy ${given} is unknown`);
  return found;
}

function timingsOf(given: Partial<Record<keyof UpgradeTimings, string>>): UpgradeTimings {
  const timing = (name: keyof UpgradeTimings): number => {
    const text = given[name];
    if (text === undefined) return usualTimings[name];
    const parsed = durationForm.safeParse(text);
    if (!parsed.success) throw badUsage(`--${name} ${text}: ${parsed.error.issues[0]?.message ?? "invalid"}`);
    return parsed.data;
  };
  return { drain: timing("drain"), ready: timing("ready"), watch: timing("watch") };
}

function question(
  { name }: ServiceTopology,
  { strategy, direction, from, to, rollback }: UpgradeRecord,
): string {
  if (direction === "back") return `Take ${name} back from ${to.version} to ${from.version}?`;
  const warning = rollback === "none" ? "; it cannot be rolled back" : "";
  const how = strategy === "rolling" ? "one host after the other" : "with a downtime";
  return `Upgrade ${name} from ${from.version} to ${to.version}, ${how}${warning}?`;
}

function printPlan(record: UpgradeRecord, io: CommandIo): ExitStatus {
  const { strategy, from, to, position } = record;
  actionsOf(record).forEach((action, index) => {
    const done = index < position;
    if (io.json) io.stdout(JSON.stringify({ type: "action", done, ...action }));
    else io.stdout(`${done ? "done  " : "      "}${index + 1}. ${describeAction(action)}`);
  });
  if (!io.json) io.stdout(`${strategy}, from ${from.version} to ${to.version}`);
  return ExitStatus.ok;
}

function printResult(result: UpgradeResult, { name }: ServiceTopology, io: CommandIo): ExitStatus {
  const { outcome, from, to, why, cut, downtimeMs, tookMs } = result;
  if (io.json) io.stdout(JSON.stringify({ type: "upgrade", topology: name, ...result }));
  else {
    io.stdout(
      outcome === "upgraded"
        ? `${name} runs ${to} (was ${from}), after ${duration(tookMs)}`
        : `${name} runs ${from} again: ${to} was rolled back: ${why}`,
    );
    if (downtimeMs !== null)
      io.stdout(`  downtime  ${duration(downtimeMs)}, as probes through the entry saw it`);
    if (cut > 0) io.stdout(`  cut       ${cut} sessions that did not end in time`);
  }
  return outcome === "upgraded" ? ExitStatus.ok : ExitStatus.error;
}
