/** A whole drill: one load over all its faults, its writes read back, one verdict per fault. */
import type { Marks } from "../core/drill/judge.ts";
import { turnsOf } from "../core/drill/order.ts";
import type { Topology } from "../core/topology/schema.ts";
import { writeFileAtomic } from "../lib/atomic.ts";
import type { Machine, Reporter } from "../ports.ts";
import { createDeadMan } from "./deadman.ts";
import { recordMarks } from "./collect-marks.ts";
import type { ClientCable, FaultContext } from "./fault.ts";
import { faults as allFaults, findFault } from "./faults/registry.ts";
import {
  createFolder,
  type DrillRecord,
  filesIn,
  judgeFolder,
  type RunSummary,
  summaryLine,
  writeRecord,
} from "./folder.ts";
import { type GeneratorLaunch, LoadProcess } from "./load.ts";
import { loadConfigOf, observeConfigOf } from "./load-config.ts";
import { brokenPromise, serviceHealth } from "./health.ts";
import { defaultTimings, type Timings } from "./phases.ts";
import { ReadBacks } from "./read-back.ts";
import { writeReport } from "./report.ts";
import { recordRun } from "./run-context.ts";
import { type NotRun, notRun, runSeries, type Series } from "./series.ts";

export interface DrillOptions {
  readonly topology: Topology;
  readonly machines: readonly Machine[];
  /** Name (under /run/netns) or path of the network namespace that the load comes from; null: this one. */
  readonly clientNamespace: string | null;
  readonly pki: { readonly caCertificate: string };
  readonly apiToken: string;
  /** Made by this run; holds everything it leaves. */
  readonly folder: string;
  /** Names of faults, injected one after the other; `all`: every one that applies to the topology. */
  readonly faults: readonly string[] | "all";
  /** How often each is injected; default 1. */
  readonly repeat?: number;
  /** Shuffles each round; null or absent: the order given. */
  readonly seed?: number | null;
  /** Requests per second over all clients. */
  readonly rate: number;
  readonly reporter: Reporter;
  /** How to start the load generator: [node, bundle, "loadgen"]. */
  readonly generatorArgv: readonly string[];
  /** How to start the helper that undoes what only this machine can, see `createDeadMan`. */
  readonly undoArgv: (targets: readonly string[]) => readonly string[];
  /** The cable of the clients' namespace; null where we do not hold it. */
  readonly clients: ClientCable | null;
  readonly renewEntryCertificate: () => Promise<void>;
  /** For `app-upgrade`; absent when no package is named. */
  readonly upgrade?: FaultContext["upgrade"];
  /** Null, or what the service lacks of full redundancy; default: as `holdfast status` judges it. */
  readonly health?: () => Promise<string | null>;
  /** Ends the drill early: what is broken is healed first. */
  readonly signal?: AbortSignal;
  readonly timings?: Timings;
}

/** Per fault, far above what any takes: the load ends by itself even if everything else hangs. */
const LIMIT_PER_FAULT_MS = 10 * 60_000;

/**
 * Runs the faults under load and judges them.
 * A service that is not healthy before a fault is a result (`aborted`), not an error.
 * @throws HoldfastError (usage) for an unknown fault or a topology without a workload; when the load
 * generator ends the drill: what was injected is healed then
 */
export async function runDrill(options: DrillOptions): Promise<RunSummary> {
  const { turns, left } = plannedTurns(options);
  const { topology, apiToken, folder, rate } = options;
  const { caCertificate } = options.pki;
  const limitMs = turns.length * LIMIT_PER_FAULT_MS;
  const target = { topology, caCertificate, apiToken, folder, rate, limitMs };
  const config = loadConfigOf(target);
  await createFolder(options.folder);
  await recordRun(options.folder, options);
  const launch: GeneratorLaunch = { argv: options.generatorArgv, namespace: options.clientNamespace };
  const load = await LoadProcess.start(launch, config, observeConfigOf(target, config));
  const readBacks = new ReadBacks(launch, config, options.reporter);
  let ran: Series;
  try {
    ran = await runSeries(turns, seriesTools(options, load, readBacks));
  } finally {
    await load.stop();
  }
  const record: DrillRecord = {
    topology: options.topology.name,
    rate: config.rate,
    seed: options.seed ?? null,
    repeat: options.repeat ?? 1,
    ...withEnd({ ...ran, notRun: [...left, ...ran.notRun] }, load.now()),
  };
  await writeRecord(options.folder, record);
  if (record.faults.length > 0) await readBacks.readAll(record.faults.length - 1);
  const { faults: results } = await judgeFolder(options.folder);
  const summary: RunSummary = {
    type: "summary",
    topology: options.topology.name,
    faults: results,
    notRun: record.notRun,
    seed: record.seed,
    folder: options.folder,
    aborted: record.aborted,
  };
  await writeFileAtomic(
    filesIn(options.folder).verdict,
    `${JSON.stringify(summaryLine(summary), null, 2)}\n`,
  );
  await writeReport(options.folder);
  return summary;
}

/** What is to be injected, in order, and which faults of `all` the topology cannot have. */
function plannedTurns({ faults, topology, repeat = 1, seed = null }: DrillOptions) {
  if (faults !== "all") {
    const names = faults.map((name) => findFault(name, topology).name);
    return { turns: turnsOf(names, repeat, seed), left: [] };
  }
  const left = allFaults.flatMap((fault): NotRun[] => {
    const why = fault.applies(topology);
    return why === null ? [] : [notRun(fault, why)];
  });
  const names = allFaults.filter((fault) => fault.applies(topology) === null).map(({ name }) => name);
  return { turns: turnsOf(names, repeat, seed), left };
}

function seriesTools(options: DrillOptions, load: LoadProcess, readBacks: ReadBacks) {
  const { topology, machines, clients, renewEntryCertificate, reporter, folder } = options;
  const deadMan = createDeadMan(options.undoArgv);
  const upgrade = options.upgrade ?? null;
  const context: FaultContext = { topology, machines, clients, deadMan, renewEntryCertificate, upgrade };
  return {
    topology,
    context,
    health: options.health ?? (() => serviceHealth(context)),
    brokenPromise: () => brokenPromise(context),
    load,
    reporter,
    signal: options.signal ?? new AbortController().signal,
    timings: options.timings ?? defaultTimings,
    async after(marks: Marks, round: number) {
      const { inject, end } = marks;
      const goesOn = marks.notRecovered === null && marks.interrupted !== true; // else all is read at once now
      await Promise.all([
        recordMarks(folder, machines, { from: inject, to: end, now: () => load.now() }),
        goesOn ? readBacks.readNew(round) : null,
      ]);
    },
  };
}

/** The last fault's window reaches to the end of the load, so that every write belongs to a fault. */
const withEnd = (ran: Series, end: number): Series => ({
  ...ran,
  faults: ran.faults.map((marks, index) => (index === ran.faults.length - 1 ? { ...marks, end } : marks)),
});
