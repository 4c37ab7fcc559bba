/** One fault of a drill: baseline, inject, prove, heal, verify. */
import type { Marks } from "../core/drill/judge.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import type { TaskReport } from "../ports.ts";
import type { Attack, Fault, FaultContext } from "./fault.ts";
import type { LoadProcess } from "./load.ts";
import { waitFor } from "./wait.ts";

/** How long clients must be served without a failure before a fault, and how long that is waited for. */
const BASELINE_CLEAN_MS = 2000;
const BASELINE_DEADLINE_MS = 30_000;
/** With the fault still there: until clients are served again for so long, or at most so long. */
const DEGRADED_CLEAN_MS = 1500;
const DEGRADED_DEADLINE_MS = 30_000;
/** A machine boots and catches up in seconds; a replica that must be cloned anew takes longer. */
const RECOVERY_DEADLINE_MS = 150_000;
const VERIFY_CLEAN_MS = 2000;
const VERIFY_DEADLINE_MS = 30_000;

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
}

/**
 * Runs one fault through its phases. Whatever happens after the injection, heal is called.
 * @param baseline when its baseline began: the end of the fault before
 * @throws DrillAborted when the service is not healthy before the fault: nothing was broken
 */
export async function runFault(fault: Fault, baseline: number, tools: PhaseTools): Promise<Marks> {
  const { load, progress, signal } = tools;
  progress.update("baseline: is everything healthy?");
  await requireHealthy(fault, tools);
  const attack = await fault.prepare(tools.context);
  progress.update(`inject: ${fault.title} (${attack.target})`);
  const injected = await injectAndProve(attack, tools);
  progress.update("heal");
  const heal = load.now();
  await attack.heal();
  const notHealthy = await waitFor(async () => (await attack.recovered()) ?? fault.healthy(tools.context), {
    deadlineMs: RECOVERY_DEADLINE_MS,
  });
  const recovered = load.now();
  progress.update("verify: are clients served?");
  const notServed = await load.waitUntilClean(VERIFY_CLEAN_MS, VERIFY_DEADLINE_MS, signal);
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

async function requireHealthy(fault: Fault, { context, load, signal }: PhaseTools): Promise<void> {
  const limits = { deadlineMs: BASELINE_DEADLINE_MS, signal };
  const missing =
    (await waitFor(() => fault.healthy(context), limits)) ??
    (await load.waitUntilClean(BASELINE_CLEAN_MS, BASELINE_DEADLINE_MS, signal));
  if (missing === null) return;
  throw new DrillAborted(
    `the service is not healthy before ${fault.name}: ${missing}; nothing was broken by this fault`,
    "bring it back with `holdfast up`, look at `holdfast status`, then run the drill again",
  );
}

async function injectAndProve(attack: Attack, { load, signal }: PhaseTools) {
  try {
    const inject = load.now();
    await attack.inject();
    const proof = await attack.prove();
    const prove = load.now();
    // Seen degraded before it is healed, so that healing does not get the credit for the takeover.
    await load.waitUntilClean(DEGRADED_CLEAN_MS, DEGRADED_DEADLINE_MS, signal);
    return { inject, prove, ...proof };
  } catch (error) {
    await attack.heal();
    throw error;
  }
}
