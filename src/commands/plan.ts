import type { Step } from "../core/plan/steps.ts";
import { ExitStatus } from "../lib/errors.ts";
import { observeAll, planAll } from "../run/converge.ts";
import { loadState } from "../run/state.ts";
import { openProvider } from "../run/provider.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology } from "./load.ts";

export const usage = "holdfast plan [FILE|BLUEPRINT] [--json]";

/** Shows what `up` would do. Exit 3 when somebody edited what Holdfast wrote. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals } = parseCommand(args, usage, {});
  const loaded = await loadTopology(positionals[0], io);
  const state = await loadState(loaded.topology, loaded.file, io.root, io.home);
  const provider = await openProvider(loaded.topology, io.home, io.reporter);
  const observed = await observeAll(state, provider.hosts);
  const { steps } = planAll(state, observed);
  for (const host of observed) {
    if (!host.reachable) io.reporter.warn(`${host.host}: ${host.why}; planned as if it were empty`);
  }
  printSteps(steps, io);
  return steps.some(isDrift) ? ExitStatus.drift : ExitStatus.ok;
}

export const isDrift = (step: Step): boolean => step.kind === "file" && step.drift;

export function printSteps(steps: readonly Step[], io: CommandIo): void {
  if (io.json) {
    for (const step of steps) io.stdout(JSON.stringify({ type: "step", ...step }));
    io.stdout(JSON.stringify({ type: "plan", steps: steps.length, drift: steps.filter(isDrift).length }));
    return;
  }
  if (steps.length === 0) {
    io.stdout("nothing to do: every host is as the topology says");
    return;
  }
  for (const [host, own] of Map.groupBy(steps, (step) => step.host)) {
    io.stdout(`${host} (${own.length})`);
    for (const step of own) io.stdout(`  ${isDrift(step) ? "!" : "-"} ${step.summary}`);
  }
  const drift = steps.filter(isDrift).length;
  io.stdout(`${steps.length} steps${drift > 0 ? `, ${drift} of them undo edits made by hand` : ""}`);
}
