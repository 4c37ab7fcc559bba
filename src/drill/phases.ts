/** One fault of a drill: baseline, inject, prove, heal, verify. */
import type { Marks } from "../core/drill/judge.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import type { TaskReport } from "../ports.ts";
import type { Attack, Fault, FaultContext } from "./fault.ts";
import type { LoadProcess } from "./load.ts";
import { waitFor } from "./wait.ts";

/** How long each phase waits, ms. */
export interface Timings {
  /** Clients must be served without a failure for so long before a fault; so long is waited for it. */
  readonly baseline: { readonly clean: number; readonly deadline: number };
  /** With the fault still there: until clients are served again for `clean`, at most `deadline`. */
  readonly degraded: { readonly clean: number; readonly deadline: number };
  /** Until the engines are healthy again by their own account. */
  readonly recovery: number;
  readonly verify: { readonly clean: number; readonly deadline: number };
}

export const defaultTimings: Timings = {
  baseline: { clean: 2000, deadline: 30_000 },
  degraded: { clean: 1500, deadline: 30_000 },
  recovery: 150_000, // a machine boots in seconds; a replica that must be cloned anew takes longer
  verify: { clean: 2000, deadline: 30_000 },
};

/** Engines are asked while the load is measured: not more often than needed. */
const HEALTH_INTERVAL_MS = 500;

/** A guardrail: nothing (more) was broken. */
export class DrillAborted extends HoldfastError {
  constructor(found: string, fix?: string) {
    super(found, { exitStatus: ExitStatus.aborted, ...(fix === undefined ? {} : { fix }) });
    this.name = "DrillAborted";
  }
}

export interface PhaseTools {
  readonly context: FaultContext;
  readonly load: LoadProcess;
  readonly progress: TaskReport;
  readonly signal: AbortSignal;
  readonly timings: Timings;
}

/**
 * Runs one fault through its phases. Whatever happens after the injection, heal is called.
 * @param baseline when its baseline began: the end of the fault before
 * @throws DrillAborted when the service is not healthy before the fault: nothing was broken
 */
export async function runFault(fault: Fault, baseline: number, tools: PhaseTools): Promise<Marks> {
  const { load, progress, signal, timings } = tools;
  progress.update("baseline: is everything healthy?");
  await requireHealthy(fault, tools);
  const attack = await fault.prepare(tools.context);
  progress.update(`inject: ${fault.title} (${attack.target})`);
  const injected = await injectAndProve(attack, tools);
  progress.update("heal");
  const heal = load.now();
  await attack.heal();
  const notHealthy = await waitFor(async () => (await attack.recovered()) ?? fault.healthy(tools.context), {
    deadlineMs: timings.recovery,
    intervalMs: HEALTH_INTERVAL_MS,
  });
  const recovered = load.now();
  progress.update("verify: are clients served?");
  const notServed = await load.waitUntilClean(timings.verify.clean, timings.verify.deadline, signal);
  return {
    fault: fault.name,
    title: fault.title,
    target: attack.target,
    baseline,
    ...injected,
    heal,
    recovered,
    end: load.now(),
    recoveredBy: await attack.recoveredBy(),
    notRecovered: notHealthy ?? notServed,
  };
}

async function requireHealthy(fault: Fault, { context, load, signal, timings }: PhaseTools): Promise<void> {
  const { clean, deadline } = timings.baseline;
  const limits = { deadlineMs: deadline, intervalMs: HEALTH_INTERVAL_MS, signal };
  const missing =
    (await waitFor(() => fault.healthy(context), limits)) ??
    (await load.waitUntilClean(clean, deadline, signal));
  if (missing === null) return;
  throw new DrillAborted(
    `the service is not healthy before ${fault.name}: ${missing}; nothing was broken by this fault`,
    "bring it back with `holdfast up`, look at `holdfast status`, then run the drill again",
  );
}

async function injectAndProve(attack: Attack, { load, signal, timings }: PhaseTools) {
  try {
    const inject = load.now();
    await attack.inject();
    const proof = await attack.prove();
    const prove = load.now();
    // Seen degraded before it is healed, so that healing does not get the credit for the takeover.
    await load.waitUntilClean(timings.degraded.clean, timings.degraded.deadline, signal);
    return { inject, prove, ...proof };
  } catch (error) {
    await attack.heal();
    throw error;
  }
}
