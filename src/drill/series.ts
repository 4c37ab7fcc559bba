/** The faults of a drill, one after the other under one load. */
import type { Marks, Objectives } from "../core/drill/judge.ts";
import { objectivesOf } from "../core/drill/objectives.ts";
import type { Turn } from "../core/drill/order.ts";
import type { Topology } from "../core/topology/schema.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Reporter } from "../ports.ts";
import type { Fault, FaultContext } from "./fault.ts";
import { faultNamed } from "./faults/registry.ts";
import type { LoadProcess } from "./load.ts";
import { DrillAborted, type PhaseTools, runFault, type Timings } from "./phases.ts";

/** A fault that was injected, as recorded in marks.json. */
export type Ran = Marks & { readonly objectives: Objectives; readonly tier: string; readonly repeat: number };

/** A fault that these machines cannot have. Never counted as passed. */
export interface NotRun {
  readonly fault: string;
  readonly title: string;
  readonly tier: string;
  readonly verdict: "not-run";
  readonly reason: string;
}

export const notRun = ({ name, title, tier }: Fault, reason: string): NotRun => ({
  fault: name,
  title,
  tier,
  verdict: "not-run",
  reason,
});

export interface Series {
  readonly faults: readonly Ran[];
  readonly notRun: readonly NotRun[];
  /** Why the series ended early; null when it did not. */
  readonly aborted: string | null;
}

export interface SeriesTools {
  readonly topology: Topology;
  readonly context: FaultContext;
  readonly health: () => Promise<string | null>;
  readonly brokenPromise: () => Promise<string | null>;
  readonly load: LoadProcess;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  readonly timings: Timings;
  /** Called after each fault, before the next one's baseline; `round`: its number among those that were injected, from 0. */
  readonly after: (marks: Marks, round: number) => Promise<void>;
}

/**
 * Runs every turn, until one leaves a service that does not come back or the operator interrupts.
 */
export async function runSeries(turns: readonly Turn[], tools: SeriesTools): Promise<Series> {
  const faults: Ran[] = [];
  const left = new Map<string, NotRun>();
  const ended = (aborted: string | null): Series => ({ faults, notRun: [...left.values()], aborted });
  for (const [index, { fault: name, repeat }] of turns.entries()) {
    if (left.has(name)) continue;
    const fault = faultNamed(name);
    const task = tools.reporter.task(`${index + 1}/${turns.length} ${name}: ${fault.title}`);
    try {
      const reason = await incapable(fault, tools.context);
      if (reason !== null) {
        left.set(name, notRun(fault, reason));
        task.done(`not run: ${reason}`);
        continue;
      }
      const marks = await runFault(fault, faults.at(-1)?.end ?? 0, phaseTools(tools, task));
      faults.push({
        ...marks,
        objectives: objectives(tools.topology, fault, marks),
        tier: fault.tier,
        repeat,
      });
      finish(task, marks);
      await tools.after(marks, faults.length - 1);
      if (marks.interrupted === true)
        return ended(`the operator interrupted the drill during ${name}; what it had broken is healed`);
      if (marks.notRecovered !== null)
        return ended(`the service is not healthy again after ${name}: ${marks.notRecovered}`);
    } catch (error) {
      const isInterrupt = tools.signal.aborted && (error as Error).name === "AbortError";
      const message = isInterrupt
        ? `the operator interrupted the drill before ${name}; nothing was broken by that fault`
        : (error as Error).message;
      task.fail(message);
      if (isInterrupt || error instanceof DrillAborted) return ended(message);
      throw error;
    }
  }
  return ended(null);
}

const phaseTools = (tools: SeriesTools, progress: PhaseTools["progress"]): PhaseTools => ({
  ...tools,
  progress,
});

/** Null, or why these machines cannot have the fault. */
async function incapable(fault: Fault, context: FaultContext): Promise<string | null> {
  try {
    return (await fault.capability?.(context)) ?? null;
  } catch (error) {
    // A host that cannot be asked is a service that is not healthy: the baseline says so.
    if (error instanceof HoldfastError) return null;
    throw error;
  }
}

/**
 * While a total fault lasts nobody can recover: the objective counts from healing. And a busy connection sends
 * again only after twice the wait before (RFC 6298 5.5), so it may notice the healing as long again after it.
 */
function objectives(topology: Topology, fault: Fault, { inject, heal }: Marks): Objectives {
  const promised = { ...objectivesOf(topology, fault.tier), ...fault.objectives };
  const lasted = fault.total === true ? 2 * Math.ceil(heal - inject) : 0;
  return { ...promised, recoveryTimeMs: promised.recoveryTimeMs + lasted };
}

function finish(task: PhaseTools["progress"], marks: Marks): void {
  if (marks.interrupted === true) task.fail("interrupted by the operator; what it had broken is healed");
  else if (marks.notRecovered !== null) task.fail(`not healthy again: ${marks.notRecovered}`);
  else if (!marks.tookEffect) task.fail(`no effect: ${marks.proof}`);
  else task.done(marks.recoveredBy);
}
