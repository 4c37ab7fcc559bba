import type { DesiredHost } from "../core/plan/desired.ts";
import type { Plan, Step } from "../core/plan/steps.ts";
import { HoldfastError, HostUnreachable } from "../lib/errors.ts";
import type { Host, Reporter } from "../ports.ts";
import { found, performStep } from "./apply.ts";
import type { Artifacts } from "./artifacts.ts";
import type { Journal } from "./journal.ts";
import { openManifest, type ManifestEditor } from "./manifest.ts";

export interface PerformContext {
  readonly hosts: ReadonlyMap<string, Host>;
  readonly desired: ReadonlyMap<string, DesiredHost>;
  readonly artifacts: Artifacts;
  readonly journal: Journal;
  readonly reporter: Reporter;
  /** Checked between steps: Ctrl-C stops at a safe point. */
  readonly signal: AbortSignal;
  /** Called before each step; tests cut the plan here. */
  readonly beforeStep?: (step: Step) => void;
}

/** What became of the hosts: those that failed are named with their error, the others went on to the phase's end. */
export async function perform(plan: Plan, context: PerformContext): Promise<void> {
  const serial = serialQueue();
  for (const phase of phasesOf(plan)) {
    const hosts = [...new Set(phase.map((step) => step.host))];
    const results = await Promise.allSettled(
      hosts.map((host) =>
        performOnHost(
          phase.filter((step) => step.host === host),
          context,
          serial,
        ),
      ),
    );
    const failures = results.flatMap((result) =>
      result.status === "rejected" ? [result.reason as Error] : [],
    );
    if (failures.length > 0) throw firstOf(failures);
  }
}

function phasesOf(plan: Plan): Step[][] {
  const byPhase = Map.groupBy(plan.steps, (step) => step.phase);
  return [...byPhase.entries()].sort(([a], [b]) => a - b).map(([, steps]) => steps);
}

/** One error is thrown as it is; several are told together, since an operator wants to fix them together. */
function firstOf(failures: readonly Error[]): Error {
  const [first] = failures;
  const unexpected = failures.find((failure) => !(failure instanceof HoldfastError));
  if (unexpected !== undefined) return unexpected;
  if (failures.length === 1 && first !== undefined) return first;
  const fixes = [...new Set((failures as HoldfastError[]).flatMap((failure) => failure.fix ?? []))];
  const found = failures.map((failure) => failure.message).join("\n");
  return new HoldfastError(found, fixes.length > 0 ? { fix: fixes.join("\n") } : {});
}

async function performOnHost(
  steps: readonly Step[],
  context: PerformContext,
  serial: SerialQueue,
): Promise<void> {
  const [first] = steps;
  if (first === undefined) return;
  const host = found(context.hosts.get(first.host), `host ${first.host}`);
  let manifest: ManifestEditor | undefined;
  try {
    for (const step of steps) {
      if (context.signal.aborted) {
        throw new HoldfastError("interrupted", {
          fix: "run the same command again: it continues from what is there",
        });
      }
      context.beforeStep?.(step);
      await context.journal.write({ step: stepId(step), event: "start" });
      try {
        const editor = (manifest ??= await openManifest(host, steps));
        await inTurn(step, serial, () => performStep(step, host, editor, context));
      } catch (error) {
        await context.journal.write({ step: stepId(step), event: "failed", error: (error as Error).message });
        throw withPlace(step, error);
      }
      await context.journal.write({ step: stepId(step), event: "done" });
      context.reporter.event({ type: "step", host: step.host, summary: step.summary });
    }
  } finally {
    // A host that died meanwhile cannot be written to; its error is already on its way.
    await manifest?.save().catch((error: unknown) => {
      if (!(error instanceof HoldfastError)) throw error;
    });
  }
}

const inTurn = (step: Step, serial: SerialQueue, work: () => Promise<void>): Promise<void> =>
  step.kind === "unit" && step.serial !== undefined ? serial(step.serial, work) : work();

function stepId(step: Step): string {
  const { host, kind } = step;
  const key = "path" in step ? step.path : "name" in step ? step.name : "id" in step ? step.id : "";
  return `${host} ${kind} ${key}`.trim();
}

function withPlace(step: Step, error: unknown): unknown {
  if (!(error instanceof HoldfastError)) return error;
  if (error instanceof HostUnreachable) {
    return new HoldfastError(`${error.message} (while performing: ${step.summary})`, {
      fix:
        error.fix ??
        `bring ${step.host} back (or take it out of the topology) and run the same command again`,
      cause: error,
    });
  }
  return new HoldfastError(`${step.host}: ${step.summary}: ${error.message}`, {
    ...(error.fix === undefined ? {} : { fix: error.fix }),
    cause: error,
  });
}

type SerialQueue = (key: string, work: () => Promise<void>) => Promise<void>;

/** Work with the same key runs one at a time, in the order it came; a failure stops what waits behind it. */
function serialQueue(): SerialQueue {
  const tails = new Map<string, Promise<void>>();
  return (key, work) => {
    const next = (tails.get(key) ?? Promise.resolve()).then(work, () => {
      throw new HoldfastError("left alone: the same change failed on another host first");
    });
    tails.set(key, next);
    return next;
  };
}
