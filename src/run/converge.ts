import { emptyHost, type Observed } from "../core/plan/observed.ts";
import { planSteps, type Plan, type Step } from "../core/plan/steps.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Host, Reporter, TaskReport } from "../ports.ts";
import { openJournal } from "./journal.ts";
import { observeHost } from "./observe.ts";
import { perform } from "./perform.ts";
import type { TopologyState } from "./state.ts";

export interface ConvergeContext {
  readonly state: TopologyState;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  readonly beforeStep?: (step: Step) => void;
  /** As the journal names it; default `up`. */
  readonly command?: string;
}

/** Looks at every host of the topology at once. */
export async function observeAll(
  state: TopologyState,
  hosts: ReadonlyMap<string, Host>,
): Promise<Observed[]> {
  return Promise.all(
    [...state.desired.values()].map((desired) => {
      const host = hosts.get(desired.host);
      return host === undefined
        ? Promise.resolve({ host: desired.host, reachable: false as const, why: "it does not exist yet" })
        : observeHost(host, desired);
    }),
  );
}

/** What is left to do. Unreachable hosts are planned from nothing: everything they should have. */
export function planAll(state: TopologyState, observed: readonly Observed[]): Plan {
  return planSteps(
    [...state.desired.values()].map((desired) => {
      const seen = observed.find((host) => host.host === desired.host);
      return {
        desired,
        digests: state.digests.get(desired.host) ?? {},
        observed: seen?.reachable === true ? seen : emptyHost(desired.host),
      };
    }),
  );
}

/**
 * Observe, plan, perform, observe again. Every host must be reachable.
 * @throws HoldfastError when a host is not, when a step fails, or when something is left to do afterwards.
 */
export async function converge(context: ConvergeContext): Promise<Plan> {
  const { state, hosts, reporter, signal } = context;
  const plan = planAll(state, await observeReachable(context));
  if (plan.steps.length === 0) return plan;
  const progress = hostProgress(plan, reporter);
  await perform(plan, {
    hosts,
    desired: state.desired,
    artifacts: state.artifacts,
    journal: openJournal(state.directory, context.command ?? "up"),
    reporter,
    signal,
    beforeStep: (step) => {
      context.beforeStep?.(step);
      progress.step(step);
    },
  }).catch((error: unknown) => {
    progress.end("stopped");
    throw error;
  });
  progress.end("done");
  const left = planAll(state, await observeReachable(context));
  if (left.steps.length > 0) throw notConverged(left);
  return plan;
}

async function observeReachable({ state, hosts }: ConvergeContext): Promise<Observed[]> {
  const observed = await observeAll(state, hosts);
  const lost = observed.filter((host) => !host.reachable);
  if (lost.length > 0) {
    throw new HoldfastError(
      lost.map((host) => `host ${host.host} cannot be reached: ${host.why}`).join("\n"),
      {
        fix: "bring the host back, or take it out of the topology; then run the same command again",
      },
    );
  }
  return observed;
}

function notConverged(left: Plan): HoldfastError {
  const lines = left.steps.slice(0, 10).map((step) => `  ${step.host}: ${step.summary}`);
  const more = left.steps.length > 10 ? `\n  and ${left.steps.length - 10} more` : "";
  return new HoldfastError(
    `everything was done, but this is (again) left to do:\n${lines.join("\n")}${more}`,
    {
      fix: "run it again; if the same steps stay, something else changes these hosts: look at `holdfast plan`",
    },
  );
}

/** One line per host that has work, with the step it is at. */
function hostProgress(
  plan: Plan,
  reporter: Reporter,
): { step(step: Step): void; end(how: "done" | "stopped"): void } {
  const total = Map.groupBy(plan.steps, (step) => step.host);
  const tasks = new Map<string, { report: TaskReport; done: number }>();
  return {
    step(step) {
      const all = total.get(step.host)?.length ?? 0;
      const known = tasks.get(step.host) ?? { report: reporter.task(step.host), done: 0 };
      known.done += 1;
      known.report.update(`${known.done}/${all} ${step.summary}`);
      tasks.set(step.host, known);
    },
    end(how) {
      for (const [host, { report, done }] of tasks) {
        const all = total.get(host)?.length ?? 0;
        if (how === "done") report.done(`${all} steps`);
        else report.fail(`stopped at step ${done} of ${all}`);
      }
    },
  };
}
