/** A finding about a topology file: where it is, what was found there and how to fix it. */

export type Severity = "error" | "warning";

/** Keys and list indices from the top of the file, e.g. ["app", "services", 0, "port"]. */
export type Path = readonly (string | number)[];

export interface Position {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1. */
  readonly column: number;
}

export interface Problem extends Position {
  /** HF0xx: the file is invalid; HF1xx: a finding of `holdfast check`. */
  readonly code: string;
  readonly severity: Severity;
  /** Dotted path of the value, empty for the whole file. */
  readonly path: string;
  readonly found: string;
  readonly fix: string;
  /** The operator's reason from `accept`: the finding is known and counts no more. */
  readonly accepted?: string;
}

/** True when the problem must stop an operation: an error that nobody accepted. */
export const isBlocking = (problem: Problem): boolean =>
  problem.severity === "error" && problem.accepted === undefined;

/** ["app", "services", 0, "port"] -> "app.services[0].port" */
export function dottedPath(path: Path): string {
  return path
    .map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join("");
}

/** By place in the file, then by code, so that the same file always gives the same list. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  return [...problems].sort((a, b) => a.line - b.line || a.column - b.column || a.code.localeCompare(b.code));
}

/**
 * `file:line:column: error HF020 path: found`, the fix below it and, when the text of the file is
 * given, the offending line with a caret.
 */
export function formatProblem(problem: Problem, text?: string): string {
  const label = problem.accepted === undefined ? problem.severity : "accepted";
  const where = `${problem.file}:${problem.line}:${problem.column}`;
  const subject = problem.path === "" ? problem.code : `${problem.code} ${problem.path}`;
  const lines = [`${where}: ${label} ${subject}: ${problem.found}`];
  if (text !== undefined) lines.push(...codeFrame(problem, text));
  lines.push(
    problem.accepted === undefined ? `    fix: ${problem.fix}` : `    accepted: ${problem.accepted}`,
  );
  return lines.join("\n");
}

function codeFrame(position: Position, text: string): string[] {
  const line = text.split(/\r?\n/)[position.line - 1];
  if (line === undefined || line.trim() === "") return [];
  const gutter = `    ${position.line} | `;
  // Tabs are copied so that the caret stands under the same column however wide a tab is shown.
  const indent = line.slice(0, position.column - 1).replaceAll(/[^\t]/g, " ");
  return [`${gutter}${line}`, `${" ".repeat(gutter.length - 2)}| ${indent}^`];
}
