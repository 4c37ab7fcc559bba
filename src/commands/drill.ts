import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { conclude, type DrillConclusion, type DrillSummary, formatSummary } from "../core/drill/summary.ts";
import { faults as allFaults, findFault } from "../drill/faults/registry.ts";
import { folderName, judgeFolder } from "../drill/folder.ts";
import { DEFAULT_RATE } from "../drill/load-config.ts";
import { type DrillOptions, runDrill } from "../drill/run.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { takeLock } from "../run/lock.ts";
import { openProvider, type Provider } from "../run/provider.ts";
import { loadState, type TopologyState } from "../run/state.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology, type LoadedTopology } from "./load.ts";

export const usage =
  "holdfast drill FAULT... | analyze FOLDER [--topology FILE|BLUEPRINT] [--rate N] [--dry-run] [--json]";

const MAX_FAULTS = 50;

/** Breaks a running topology under load and measures what clients saw; or judges a stored run again. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const options = {
    topology: { type: "string" },
    rate: { type: "string" },
    "dry-run": { type: "boolean" },
    "power-on": { type: "string" }, // the dead man's helper; not for people
    after: { type: "string" },
  } as const;
  const { positionals, values } = parseCommand(args, usage, options, MAX_FAULTS);
  if (positionals[0] === "analyze") return analyze(positionals[1], io);
  const loaded = await loadTopology(values.topology, io);
  if (values["power-on"] !== undefined) {
    return powerOnLater(loaded, values["power-on"], Number(values.after ?? "0"), io);
  }
  requireFaults(positionals, loaded);
  const rate = parseRate(values.rate);
  if (values["dry-run"] === true) return dryRun(positionals, rate, loaded, io);
  const state = await loadState(loaded.topology, loaded.file, io.root, io.home);
  const lock = await takeLock(state.directory, "drill");
  try {
    const provider = await openProvider(loaded.topology, io.home, io.reporter);
    const drill = drillOptions({ loaded, state, provider, faults: positionals, rate }, io);
    return printSummary(await runDrill(drill), io);
  } finally {
    await lock.release();
  }
}

export interface DrillTarget {
  readonly loaded: LoadedTopology;
  readonly state: TopologyState;
  readonly provider: Provider;
  readonly faults: readonly string[];
  readonly rate?: number;
}

/** Options of `runDrill` for a topology that is up, with this program as load generator and helper. */
export function drillOptions(
  { loaded, state, provider, faults, rate }: DrillTarget,
  io: CommandIo,
): DrillOptions {
  const self = [process.execPath, process.argv[1] ?? ""];
  const apiToken = state.secrets.get("api-token");
  if (apiToken === undefined) throw new Error("no engine declared the secret api-token");
  return {
    topology: loaded.topology,
    machines: provider.machines,
    clientNamespace: provider.clientNamespace,
    pki: { caCertificate: state.certificates.caCertificate },
    apiToken,
    folder: join(state.directory, "drills", folderName(new Date(), faults)),
    faults,
    rate: rate ?? DEFAULT_RATE,
    reporter: io.reporter,
    generatorArgv: [...self, "loadgen"],
    powerOnArgv: (machine, seconds) =>
      self.concat("drill", "--topology", loaded.file, "--power-on", machine, "--after", String(seconds)),
    signal: io.signal,
  };
}

/** Prints the summary: one NDJSON line, or a table. @returns the exit status that it means */
export function printSummary(summary: DrillSummary, io: CommandIo): ExitStatus {
  if (io.json) {
    io.stdout(JSON.stringify(summary));
  } else {
    for (const line of formatSummary(summary)) io.stdout(line);
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
  const { topology, aborted } = record;
  return printSummary({ type: "summary", topology, faults, folder, aborted }, io);
}

function dryRun(
  names: readonly string[],
  rate: number,
  { topology }: LoadedTopology,
  io: CommandIo,
): ExitStatus {
  for (const name of names) {
    const { title, tier } = findFault(name, topology);
    if (io.json) io.stdout(JSON.stringify({ type: "fault", fault: name, tier, title }));
    else io.stdout(`${name}: ${title}, under ${rate} requests per second`);
  }
  return ExitStatus.ok;
}

/** Waits, then powers the machine on if it is off: what a drill that died would have done. */
async function powerOnLater(
  { topology }: LoadedTopology,
  name: string,
  seconds: number,
  io: CommandIo,
): Promise<ExitStatus> {
  await sleep(seconds * 1000, undefined, { signal: io.signal });
  const { machines } = await openProvider(topology, io.home, io.reporter);
  const machine = machines.find((candidate) => candidate.name === name);
  if (machine !== undefined && (await machine.state()) === "off") await machine.powerOn();
  return ExitStatus.ok;
}

function requireFaults(names: readonly string[], { topology }: LoadedTopology): void {
  if (names.length === 0) {
    throw new HoldfastError("which fault?", {
      fix: `usage: ${usage}; faults: ${allFaults.map(({ name }) => name).join(", ")}`,
      exitStatus: ExitStatus.usage,
    });
  }
  for (const name of names) findFault(name, topology);
}

function parseRate(text: string | undefined): number {
  const rate = text === undefined ? DEFAULT_RATE : Number(text);
  if (rate >= 20 && rate <= 5000) return rate;
  throw new HoldfastError(`--rate ${text} is not a number of requests per second from 20 to 5000`, {
    fix: `leave it out for ${DEFAULT_RATE}`,
    exitStatus: ExitStatus.usage,
  });
}
