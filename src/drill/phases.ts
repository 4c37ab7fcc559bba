/** One fault of a drill: baseline, inject, prove, heal, verify. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Marks } from "../core/drill/judge.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import type { TaskReport } from "../ports.ts";
import type { Attack, Fault, FaultContext, Proof } from "./fault.ts";
import type { LoadProcess } from "./load.ts";
import { waitFor } from "./wait.ts";
import { look, lookAfter, takeovers, type Witness } from "./witness.ts";

/** How long each phase waits, ms. */
export interface Timings {
  /**
   * Clients must be served without a failure for `clean` before the first fault, at most `deadline` is waited
   * for it; `between` is enough for the later ones: the fault before ended with `verify`'s.
   */
  readonly baseline: { readonly clean: number; readonly between: number; readonly deadline: number };
  /** With the fault still there: until clients are served again for `clean`, at most `deadline`. */
  readonly degraded: { readonly clean: number; readonly deadline: number };
  /** A fault that nobody can be served under is held for so long. */
  readonly total: number;
  /** Until the engines are healthy again by their own account. */
  readonly recovery: number;
  readonly verify: { readonly clean: number; readonly deadline: number };
}

export const defaultTimings: Timings = {
  baseline: { clean: 3000, between: 1000, deadline: 30_000 },
  degraded: { clean: 1500, deadline: 30_000 },
  total: 3000,
  recovery: 150_000, // a machine boots in seconds; a replica that must be cloned anew takes longer
  verify: { clean: 3000, deadline: 30_000 },
};

/** Asking every engine takes about a second of CPU: while the load is measured, not more often than needed. */
const HEALTH_INTERVAL_MS = 1000;

/** A guardrail: nothing (more) was broken. */
export class DrillAborted extends HoldfastError {
  constructor(found: string, fix?: string) {
    super(found, { exitStatus: ExitStatus.aborted, ...(fix === undefined ? {} : { fix }) });
    this.name = "DrillAborted";
  }
}

export interface PhaseTools {
  readonly context: FaultContext;
  /** Null, or what the service lacks of full redundancy. */
  readonly health: () => Promise<string | null>;
  /** Null, or what the topology promises and the service is not set up for. */
  readonly brokenPromise: () => Promise<string | null>;
  readonly load: LoadProcess;
  readonly progress: TaskReport;
  readonly signal: AbortSignal;
  readonly timings: Timings;
}

/**
 * Runs one fault through its phases. Whatever happens after the injection, heal is called.
 * An interrupt while the fault is there ends the waiting, not the phases: it is healed, and recorded so far.
 * @param baseline when its baseline began: the end of the fault before, 0 for the first
 * @throws DrillAborted when the service is not healthy before the fault: nothing was broken
 * @throws the signal's reason when it aborts before the injection
 */
export async function runFault(fault: Fault, baseline: number, tools: PhaseTools): Promise<Marks> {
  const { context, load, progress, signal, timings } = tools;
  progress.update("baseline: is everything healthy?");
  await requireHealthy(fault, baseline, tools);
  const brokenPromise = await tools.brokenPromise();
  const attack = await fault.prepare(context).catch((error: unknown) => {
    if (error instanceof HoldfastError) throw new DrillAborted(`${fault.name}: no target: ${error.message}`);
    throw error;
  });
  const before = await look(context, attack);
  signal.throwIfAborted();
  progress.update(`inject: ${fault.title} (${attack.target})`);
  const { servedAgain, during, ...injected } = await injectAndHold(fault, attack, before, tools);
  progress.update("heal");
  const heal = load.now();
  await attack.heal();
  const limits = { deadlineMs: timings.recovery, intervalMs: HEALTH_INTERVAL_MS, signal };
  const notHealthy = await unlessInterrupted(signal, () => waitFor(tools.health, limits));
  const recovered = load.now();
  progress.update("verify: are clients served?");
  const { clean, deadline } = timings.verify;
  // While the engines were asked whether they are healthy, clients were watched already.
  const limit = { deadlineMs: deadline, since: heal, signal };
  const notServed = await unlessInterrupted(signal, () => load.waitUntilClean(clean, limit));
  return {
    fault: fault.name,
    title: fault.title,
    target: attack.target,
    baseline,
    ...injected,
    heal,
    recovered,
    end: load.now(),
    recoveredBy: signal.aborted
      ? "not waited for: the operator interrupted"
      : servedAgain
        ? takenOver(takeovers(before, during), attack)
        : broughtBack(takeovers(before, await look(context, attack)), attack),
    notRecovered: notHealthy ?? notServed,
    brokenPromise,
    interrupted: signal.aborted,
  };
}

/** @returns what was still missing; null also when the operator did not let it be found out */
async function unlessInterrupted(
  signal: AbortSignal,
  wait: () => Promise<string | null>,
): Promise<string | null> {
  if (signal.aborted) return null;
  return wait().catch((error: unknown) => {
    if (signal.aborted) return null;
    throw error;
  });
}

/** Clients were served again with the fault still there. */
const takenOver = (found: readonly string[], { healing }: Attack): string =>
  found.length > 0
    ? found.join("; ")
    : healing === null
      ? "nothing had to take over"
      : "nothing had to take over: the others went on serving";

/** They were not, until it was healed. */
const broughtBack = (found: readonly string[], { healing }: Attack): string =>
  [healing === null ? "nobody in time" : `healing: ${healing}`, ...found].join("; ");

/** @param baseline 0: nobody has asked the engines yet; else the fault before ended then, with their word */
async function requireHealthy(fault: Fault, baseline: number, tools: PhaseTools): Promise<void> {
  const { health, load, signal, timings } = tools;
  const first = baseline === 0;
  const { clean, between, deadline: deadlineMs } = timings.baseline;
  const limits = { deadlineMs, intervalMs: HEALTH_INTERVAL_MS, signal };
  const missing =
    (first ? await waitFor(health, limits) : null) ??
    (await load.waitUntilClean(
      first ? clean : between,
      first ? { deadlineMs, signal } : { deadlineMs, since: baseline, signal },
    ));
  if (missing === null) return;
  throw new DrillAborted(
    `the service is not healthy before ${fault.name}: ${missing}; nothing was broken by this fault`,
    "bring it back with `holdfast up`, look at `holdfast status`, then run the drill again",
  );
}

async function injectAndHold(fault: Fault, attack: Attack, before: Witness, tools: PhaseTools) {
  const { context, load, signal } = tools;
  const inject = load.now();
  try {
    const { injected, ...proof } = await effectOf(attack);
    const prove = load.now();
    const servedAgain = proof.tookEffect ? await hold(fault, tools) : true;
    const during = signal.aborted ? before : await lookAfter(context, attack, before);
    // Also without a proof: a drill that stood still before it could look finds nothing left to see.
    const endedEarly = injected ? ((await attack.endedEarly?.()) ?? null) : null;
    return { inject, prove, ...proof, servedAgain, during, endedEarly };
  } catch (error) {
    await attack.heal();
    throw error;
  }
}

/** A fault that cannot be injected is one without effect: a finding, not the end of the drill. */
async function effectOf(attack: Attack): Promise<Proof & { readonly injected: boolean }> {
  let injected = false;
  try {
    await attack.inject();
    injected = true;
    return { injected, ...(await attack.prove()) };
  } catch (error) {
    if (error instanceof HoldfastError) return { injected, tookEffect: false, proof: error.message };
    throw error;
  }
}

/**
 * Leaves the fault there as long as it means something, so that healing does not get the credit for
 * a takeover; an interrupt ends it. @returns whether clients were served again without healing
 */
async function hold(fault: Fault, { load, signal, timings }: PhaseTools): Promise<boolean> {
  if (fault.healAtOnce === true) return false;
  const held = fault.total === true ? timings.total : (fault.holdMs ?? 0);
  try {
    await sleep(held, undefined, { signal });
    if (fault.total === true) return false;
    const { clean, deadline } = timings.degraded;
    return (await load.waitUntilClean(clean, { deadlineMs: deadline, signal })) === null;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}
