import { runChecks } from "../core/checks/registry.ts";
import { parseTopology } from "../core/topology/parse.ts";
import { formatProblem, isBlocking, type Problem } from "../core/topology/problem.ts";
import { ExitStatus } from "../lib/errors.ts";
import { parseCommand } from "./arguments.ts";
import { gatherFacts } from "./facts.ts";
import type { CommandIo } from "./io.ts";
import { count, readTopologyFile } from "./load.ts";

export const usage = "holdfast check [FILE|BLUEPRINT] [--json]";

/** Reviews a topology file. Exit 2 when it is invalid or has an error that nobody accepted. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals, values } = parseCommand(args, usage, {});
  const { file, text } = await readTopologyFile(positionals[0], io);
  const { topology, problems: mistakes, positions } = parseTopology(text, file);
  const problems =
    topology === undefined
      ? mistakes
      : runChecks(topology, await gatherFacts(topology, file), positions.value);
  const errors = problems.filter(isBlocking).length;
  const accepted = problems.filter((problem) => problem.accepted !== undefined).length;
  const warnings = problems.length - errors - accepted;
  if (io.json || values.json === true) {
    for (const problem of problems) io.stdout(JSON.stringify({ type: "problem", ...problem }));
    io.stdout(
      JSON.stringify({ type: "check", file, valid: topology !== undefined, errors, warnings, accepted }),
    );
  } else {
    for (const problem of openLast(problems)) io.stdout(formatProblem(problem, text));
    io.stdout(`${file}: ${count(errors, "error")}, ${count(warnings, "warning")}, ${accepted} accepted`);
  }
  return errors > 0 ? ExitStatus.usage : ExitStatus.ok;
}

/** What is left to do comes last, next to the summary. */
const openLast = (problems: readonly Problem[]): Problem[] => [
  ...problems.filter((problem) => problem.accepted !== undefined),
  ...problems.filter((problem) => problem.accepted === undefined),
];
