import { resolve } from "node:path";
import { compareInputs, compareText, renderComparison } from "../core/drill/report/compare-page.ts";
import { readReport, writeReport } from "../drill/report.ts";
import { writeFileAtomic } from "../lib/atomic.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";

export const usage = "holdfast drill report FOLDER | A B [--html FILE] [--json]";

/** Writes a stored run's report again; or compares two runs, A the earlier. */
export async function report(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals, values } = parseCommand(args, usage, { html: { type: "string" } } as const, 2);
  const [first, second] = positionals.map((folder) => resolve(io.cwd, folder));
  if (first === undefined) throw usageError("`drill report` needs the folder of a run, or of two");
  if (second === undefined) {
    if (values.html !== undefined) throw usageError("--html goes with two runs");
    const file = await writeReport(first);
    io.stdout(io.json ? JSON.stringify({ type: "report", file }) : `Report: ${file}`);
    return ExitStatus.ok;
  }
  const [a, b] = [await readReport(first), await readReport(second)];
  if (values.html !== undefined) {
    const file = resolve(io.cwd, values.html);
    await writeFileAtomic(file, renderComparison(a, b));
    io.reporter.info(`written: ${file}`);
  }
  if (io.json) {
    for (const comparison of compareInputs(a, b))
      io.stdout(JSON.stringify({ type: "comparison", ...comparison }));
  } else {
    for (const line of compareText(a, b)) io.stdout(line);
  }
  return ExitStatus.ok;
}

const usageError = (found: string): HoldfastError =>
  new HoldfastError(found, { fix: `usage: ${usage}`, exitStatus: ExitStatus.usage });
