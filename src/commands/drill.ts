import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { randomInt } from "node:crypto";
import { text } from "node:stream/consumers";
import { isService } from "../core/topology/schema.ts";
import { conclude, type DrillConclusion, formatSummary } from "../core/drill/summary.ts";
import { CLIENTS, HEALED } from "../drill/deadman.ts";
import { faults as allFaults, findFault } from "../drill/faults/registry.ts";
import { folderName, judgeFolder, type RunSummary, summaryLine } from "../drill/folder.ts";
import { defaultRate } from "../drill/load-config.ts";
import { defaultTimings, type Timings } from "../drill/phases.ts";
import { reportFile, writeReport } from "../drill/report.ts";
import { type DrillOptions, runDrill } from "../drill/run.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { renewEntryCertificate } from "../run/renew.ts";
import { takeLock } from "../run/lock.ts";
import { openProvider, type Provider } from "../run/provider.ts";
import type { UpgradeResult } from "../run/upgrade/operate.ts";
import { carryOut, prepareUpgrade, type UpgradeSite } from "../run/upgrade/prepare.ts";
import { loadState, type TopologyState } from "../run/state.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";
import { report } from "./drill-report.ts";
import { loadTopology, type LoadedTopology } from "./load.ts";

export const usage =
  "holdfast drill FAULT... | --all | analyze FOLDER | report FOLDER [OTHER] [--topology FILE|BLUEPRINT] [--repeat N] [--seed N] [--rate N] [--for SECONDS] [--package FILE] [--dry-run] [--json]";

const MAX_FAULTS = 50;

/** Breaks a running topology under load and measures what clients saw; or judges a stored run again. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const options = {
    topology: { type: "string" },
    all: { type: "boolean" },
    repeat: { type: "string" },
    seed: { type: "string" },
    rate: { type: "string" },
    for: { type: "string" },
    package: { type: "string" },
    "dry-run": { type: "boolean" },
    undo: { type: "string" }, // the dead man's helper; not for people
  } as const;
  if (args[0] === "report") return report(args.slice(1), io);
  const { positionals, values } = parseCommand(args, usage, options, MAX_FAULTS);
  if (positionals[0] === "analyze") return analyze(positionals[1], io);
  const loaded = await loadTopology(values.topology, io);
  if (values.undo !== undefined) return undoWhenAlone(loaded, values.undo.split(","), io);
  const faults = chosenFaults(positionals, values.all === true, loaded);
  const rate = wholeNumber("rate", values.rate, { least: 20, most: 5000 }) ?? usualRate();
  const repeat = wholeNumber("repeat", values.repeat, { least: 1, most: 100 }) ?? 1;
  const asked = wholeNumber("seed", values.seed, { least: 0, most: 2 ** 32 - 1 });
  const seed = asked ?? (repeat > 1 ? randomInt(2 ** 32) : null);
  const seconds = wholeNumber("for", values.for, { least: 1, most: 3600 });
  if (values["dry-run"] === true) return dryRun(faults, rate, loaded, io);
  const state = await loadState(loaded.topology, loaded.file, io.root, io.home);
  const lock = await takeLock(state.directory, "drill");
  try {
    const provider = await openProvider(loaded.topology, io.home, io.reporter);
    if (seed !== null) io.reporter.info(`order of the faults: --seed ${seed}`);
    const timings = timingsOf(seconds);
    const target = { loaded, state, provider, faults, rate, repeat, seed, timings };
    const drill = drillOptions({ ...target, upgradeTo: values.package }, io);
    return printSummary(await runDrill(drill), io);
  } finally {
    await lock.release();
  }
}

const usualRate = (): number => defaultRate(availableParallelism());

export interface DrillTarget {
  readonly loaded: LoadedTopology;
  readonly state: TopologyState;
  readonly provider: Provider;
  readonly faults: readonly string[] | "all";
  readonly rate?: number;
  readonly repeat?: number;
  readonly seed?: number | null;
  readonly timings?: Timings;
  /** For `app-upgrade`: the package, relative to the operator's folder. */
  readonly upgradeTo?: string | undefined;
}

/** Options of `runDrill` for a topology that is up, with this program as load generator and helper. */
export function drillOptions(
  { loaded, state, provider, faults, rate, upgradeTo, ...series }: DrillTarget,
  io: CommandIo,
): DrillOptions {
  const { topology, file } = loaded;
  const self = [process.execPath, process.argv[1] ?? ""];
  return {
    ...series,
    topology,
    machines: provider.machines,
    clients: provider.clients,
    clientNamespace: provider.clientNamespace,
    pki: { caCertificate: state.certificates.caCertificate },
    // An entry that stands alone has no app that would ask for one.
    apiToken: state.secrets.get("api-token") ?? "",
    folder: join(state.directory, "drills", folderName(new Date(), faults === "all" ? ["all"] : faults)),
    faults,
    rate: rate ?? usualRate(),
    reporter: io.reporter,
    generatorArgv: [...self, "loadgen"],
    undoArgv: (targets) => self.concat("drill", "--topology", file, "--undo", targets.join(",")),
    renewEntryCertificate: () => renewEntryCertificate({ ...io, ...provider, topology, file }),
    upgrade:
      upgradeTo === undefined || !isService(topology)
        ? null
        : () => rollingUpgrade({ ...io, ...provider, topology, file }, upgradeTo),
    signal: io.signal,
  };
}

/** A drill's streams end only when they are cut: they are not waited for as long as an operator's clients. */
const upgradeTimings = { drain: 5000, ready: 20_000, watch: 5000 };

async function rollingUpgrade(site: UpgradeSite, archive: string): Promise<UpgradeResult> {
  const record = await prepareUpgrade(site, archive, { strategy: "rolling", noRollback: false });
  if (record === null) throw new HoldfastError("the service runs that package already");
  return carryOut(site, record, upgradeTimings);
}

/** Prints the summary: one NDJSON line, or a table. @returns the exit status that it means */
export function printSummary(summary: RunSummary, io: CommandIo): ExitStatus {
  if (io.json) {
    io.stdout(JSON.stringify(summaryLine(summary)));
  } else {
    for (const line of formatSummary(summary)) io.stdout(line);
    for (const { fault, reason } of summary.notRun) io.stdout(`${fault}: not run: ${reason}`);
    io.stdout(`Report: ${reportFile(summary.folder)}`);
    io.stdout(`Raw history and verdict: ${summary.folder}`);
  }
  return exitStatuses[conclude(summary)];
}

const exitStatuses: Record<DrillConclusion, ExitStatus> = {
  pass: ExitStatus.ok,
  "objective-missed": ExitStatus.objectiveMissed,
  aborted: ExitStatus.aborted,
  inconclusive: ExitStatus.inconclusive,
};

async function analyze(argument: string | undefined, io: CommandIo): Promise<ExitStatus> {
  if (argument === undefined) {
    throw new HoldfastError("`drill analyze` needs the folder of a run", {
      fix: `usage: ${usage}`,
      exitStatus: ExitStatus.usage,
    });
  }
  const folder = resolve(io.cwd, argument);
  const { record, faults } = await judgeFolder(folder);
  const { topology, aborted, notRun, seed } = record;
  await writeReport(folder, [...faults, ...notRun]);
  return printSummary({ type: "summary", topology, faults, notRun, seed, folder, aborted }, io);
}

function dryRun(
  chosen: readonly string[] | "all",
  rate: number,
  { topology }: LoadedTopology,
  io: CommandIo,
): ExitStatus {
  const faults = chosen === "all" ? allFaults : chosen.map((name) => findFault(name, topology));
  for (const fault of faults) {
    const { name, title, tier, proves } = fault;
    const reason = fault.applies(topology);
    const event = { type: "fault", fault: name, tier, title, proves, ...(reason === null ? {} : { reason }) };
    if (io.json) io.stdout(JSON.stringify(event));
    else if (reason !== null) io.stdout(`${name}: not run: ${reason}`);
    else io.stdout(`${name}: ${title}, under ${rate} requests per second`);
  }
  return ExitStatus.ok;
}

/** Waits until the drill that started it says that all is healed, or is gone: then it undoes. */
async function undoWhenAlone(
  { topology }: LoadedTopology,
  targets: readonly string[],
  io: CommandIo,
): Promise<ExitStatus> {
  io.stdout("watching");
  if ((await text(process.stdin)).includes(HEALED)) return ExitStatus.ok;
  const { machines, clients } = await openProvider(topology, io.home, io.reporter);
  if (targets.includes(CLIENTS)) await clients.restoreLink();
  const broken = machines.filter(({ name }) => targets.includes(name));
  await Promise.all(
    broken.map(async (machine) => {
      const state = await machine.state();
      if (state === "off") return machine.powerOn();
      if (state === "paused") await machine.resume();
      return machine.restoreLink(); // a power-off that was cut half-way had pulled it first
    }),
  );
  return ExitStatus.ok;
}

function chosenFaults(
  names: readonly string[],
  all: boolean,
  { topology }: LoadedTopology,
): readonly string[] | "all" {
  if (all && names.length === 0) return "all";
  if (all || names.length === 0) {
    throw new HoldfastError(all ? "--all and names of faults exclude each other" : "which fault?", {
      fix: `usage: ${usage}; faults: ${allFaults.map(({ name }) => name).join(", ")}`,
      exitStatus: ExitStatus.usage,
    });
  }
  return names.map((name) => findFault(name, topology).name);
}

/** `--for`: how long clients must be served without a failure before each fault, and after it. */
function timingsOf(seconds: number | undefined): Timings {
  if (seconds === undefined) return defaultTimings;
  const { baseline, verify } = defaultTimings;
  const clean = seconds * 1000;
  const longer = ({ deadline }: Timings["verify"]) => ({ clean, deadline: deadline + clean });
  return {
    ...defaultTimings,
    baseline: { ...longer(baseline), between: clean },
    verify: longer(verify),
  };
}

function wholeNumber(
  option: string,
  given: string | undefined,
  { least, most }: { readonly least: number; readonly most: number },
): number | undefined {
  if (given === undefined) return undefined;
  const value = Number(given);
  if (/^\d+$/.test(given) && value >= least && value <= most) return value;
  throw new HoldfastError(`--${option} ${given} is not a whole number from ${least} to ${most}`, {
    fix: `usage: ${usage}`,
    exitStatus: ExitStatus.usage,
  });
}
