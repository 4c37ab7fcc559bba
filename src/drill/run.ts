/** A whole drill: one load over all its faults, one read-back at the end, one verdict per fault. */
import type { Marks } from "../core/drill/judge.ts";
import { objectivesOf } from "../core/drill/objectives.ts";
import type { DrillSummary } from "../core/drill/summary.ts";
import type { Topology } from "../core/topology/schema.ts";
import { writeFileAtomic } from "../lib/atomic.ts";
import type { Machine, Reporter } from "../ports.ts";
import { createDeadMan } from "./deadman.ts";
import type { Fault, FaultContext } from "./fault.ts";
import { findFault } from "./faults/registry.ts";
import { createFolder, type DrillRecord, filesIn, judgeFolder, writeRecord } from "./folder.ts";
import { type GeneratorLaunch, LoadProcess } from "./load.ts";
import { loadConfigOf, observeConfigOf } from "./load-config.ts";
import type { LoadConfig } from "./loadgen/config.ts";
import { defaultTimings, DrillAborted, runFault, type Timings } from "./phases.ts";

export interface DrillOptions {
  readonly topology: Topology;
  readonly machines: readonly Machine[];
  /** Name (under /run/netns) or path of the network namespace that the load comes from; null: this one. */
  readonly clientNamespace: string | null;
  readonly pki: { readonly caCertificate: string };
  readonly apiToken: string;
  /** Made by this run; holds everything it leaves. */
  readonly folder: string;
  /** Names of faults, injected one after the other. */
  readonly faults: readonly string[];
  /** Requests per second over all clients; default 500. */
  readonly rate?: number;
  readonly reporter: Reporter;
  /** How to start the load generator: [node, bundle, "loadgen"]. */
  readonly generatorArgv: readonly string[];
  /** How to start the helper that powers a machine on after some seconds. */
  readonly powerOnArgv: (machine: string, seconds: number) => readonly string[];
  /** Ends the drill early: what is broken is healed first. */
  readonly signal?: AbortSignal;
  readonly timings?: Timings;
}

/** Per fault, far above what any takes: the load ends by itself even if everything else hangs. */
const LIMIT_PER_FAULT_MS = 10 * 60_000;
const READ_BACK_LIMIT_MS = 60_000;

/**
 * Runs the faults under load and judges them.
 * A service that is not healthy before a fault is a result (`aborted`), not an error.
 * @throws HoldfastError (usage) for an unknown fault or a topology without a workload; when the load
 * generator or the interrupt ends the drill: what was injected is healed then
 */
export async function runDrill(options: DrillOptions): Promise<DrillSummary> {
  const faults = options.faults.map((name) => findFault(name, options.topology));
  const { topology, apiToken, folder, rate } = options;
  const { caCertificate } = options.pki;
  const limitMs = faults.length * LIMIT_PER_FAULT_MS;
  const target = { topology, caCertificate, apiToken, folder, rate, limitMs };
  const config = loadConfigOf(target);
  await createFolder(options.folder);
  const launch: GeneratorLaunch = { argv: options.generatorArgv, namespace: options.clientNamespace };
  const load = await LoadProcess.start(launch, config, observeConfigOf(target, config));
  let ran: Ran;
  try {
    ran = await runFaults(faults, load, options);
  } finally {
    await load.stop();
  }
  const record: DrillRecord = { topology: options.topology.name, rate: config.rate, ...withEnd(ran, load.now()) };
  await writeRecord(options.folder, record);
  if (record.faults.length > 0) await readBack(launch, config, options.reporter);
  const { faults: results } = await judgeFolder(options.folder);
  const summary: DrillSummary = {
    type: "summary",
    topology: options.topology.name,
    faults: results,
    folder: options.folder,
    aborted: record.aborted,
  };
  await writeFileAtomic(filesIn(options.folder).verdict, `${JSON.stringify(summary, null, 2)}\n`);
  return summary;
}

async function readBack(launch: GeneratorLaunch, config: LoadConfig, reporter: Reporter): Promise<void> {
  const task = reporter.task("read every write back");
  try {
    await LoadProcess.runToEnd(launch, { ...config, mode: "read-back", limitMs: READ_BACK_LIMIT_MS });
  } catch (error) {
    task.fail((error as Error).message);
    throw error;
  }
  task.done();
}

type Ran = Pick<DrillRecord, "faults" | "aborted">;

async function runFaults(faults: readonly Fault[], load: LoadProcess, options: DrillOptions): Promise<Ran> {
  const { topology, machines, reporter } = options;
  const context: FaultContext = { topology, machines, deadMan: createDeadMan(options.powerOnArgv) };
  const signal = options.signal ?? new AbortController().signal;
  const timings = options.timings ?? defaultTimings;
  const done: DrillRecord["faults"][number][] = [];
  for (const fault of faults) {
    const progress = reporter.task(fault.title);
    try {
      const marks = await runFault(fault, done.at(-1)?.end ?? 0, {
        context,
        load,
        progress,
        signal,
        timings,
      });
      done.push({ ...marks, objectives: objectivesOf(topology, fault.tier) });
      finish(progress, marks);
      if (marks.notRecovered !== null && fault !== faults.at(-1)) {
        return {
          faults: done,
          aborted: `not healthy again after ${fault.name}; the faults after it were left out`,
        };
      }
    } catch (error) {
      progress.fail((error as Error).message);
      if (error instanceof DrillAborted) return { faults: done, aborted: error.message };
      throw signal.aborted
        ? new DrillAborted("the drill was interrupted; what it had broken is healed")
        : error;
    }
  }
  return { faults: done, aborted: null };
}

function finish(progress: ReturnType<Reporter["task"]>, marks: Marks): void {
  if (marks.notRecovered === null) progress.done(marks.recoveredBy);
  else progress.fail(`not healthy again: ${marks.notRecovered}`);
}

/** The last fault's window reaches to the end of the load, so that every write belongs to a fault. */
const withEnd = ({ faults, aborted }: Ran, end: number): Ran => ({
  aborted,
  faults: faults.map((marks, index) => (index === faults.length - 1 ? { ...marks, end } : marks)),
});
