/** Two runs side by side: what differs, and whether the runs can show that it does. */
import { type ReportVerdict, type Result, severity } from "./model.ts";
import { duration, outageText, verdictWords } from "./words.ts";

/** One fault in one run. */
export interface Side {
  readonly verdict: ReportVerdict;
  /** Every injection; empty when it was not run. */
  readonly results: readonly Result[];
  readonly worst: Result;
  readonly lost: number;
}

export type Change =
  | "longer"
  | "shorter"
  | "no difference shown"
  | "only in A"
  | "only in B"
  | "not comparable";

export interface Comparison {
  readonly fault: string;
  readonly a: Side | null;
  readonly b: Side | null;
  readonly change: Change;
  /** Longest outage of the worst injection, B less A, ms; null when one of them has none. */
  readonly differenceMs: number | null;
  /** Why the change is called so. */
  readonly because: string;
}

/** Every fault of either run, in the order of A, then of B. */
export function compareRuns(a: readonly Result[], b: readonly Result[]): Comparison[] {
  const names = [...new Set([...a, ...b].map(({ fault }) => fault))];
  return names.map((fault) => compareFault(fault, sideOf(a, fault), sideOf(b, fault)));
}

function sideOf(results: readonly Result[], fault: string): Side | null {
  const own = results.filter((result) => result.fault === fault);
  const [worst] = [...own].sort(
    (x, y) => severity[y.verdict] - severity[x.verdict] || y.longestOutageMs - x.longestOutageMs,
  );
  if (worst === undefined) return null;
  return {
    verdict: worst.verdict,
    results: own.filter(({ verdict }) => verdict !== "not-run"),
    worst,
    lost: own.reduce((sum, { acknowledgedWritesLost }) => sum + acknowledgedWritesLost, 0),
  };
}

function compareFault(fault: string, a: Side | null, b: Side | null): Comparison {
  const sides = { fault, a, b, differenceMs: null };
  if (b === null) return { ...sides, change: "only in A", because: "B does not have it" };
  if (a === null) return { ...sides, change: "only in B", because: "A does not have it" };
  const [inA, inB] = [conclusive(a), conclusive(b)];
  if (inA.length === 0 || inB.length === 0) {
    const [name, side] = inA.length === 0 ? ["A", a] : ["B", b];
    return { ...sides, change: "not comparable", because: `${verdictWords[side.verdict]} in ${name}` };
  }
  const [rangeA, rangeB] = [envelope(inA), envelope(inB)];
  const differenceMs = longest(inB) - longest(inA);
  const repeats = Math.min(inA.length, inB.length);
  const spread =
    repeats === 1 ? "the resolution (one injection: the spread is unknown)" : "resolution and spread";
  const found = { ...sides, differenceMs };
  if (rangeB.low > rangeA.high) return { ...found, change: "longer", because: `beyond ${spread}` };
  if (rangeB.high < rangeA.low) return { ...found, change: "shorter", because: `beyond ${spread}` };
  return { ...found, change: "no difference shown", because: `within ${spread}` };
}

/** A late generator, or a fault without effect, says nothing of the service. */
const conclusive = ({ results }: Side): Result[] =>
  results.filter(({ verdict }) => verdict !== "inconclusive");

const longest = (results: readonly Result[]): number =>
  results.reduce((most, { longestOutageMs }) => Math.max(most, longestOutageMs), 0);

/** In which every injection's true outage lies: the resolution and the spread over repeats together. */
export function envelope(results: readonly Result[]): { low: number; high: number } {
  return results.reduce(
    (all, { outageRangeMs: { low, high } }) => ({
      low: Math.min(all.low, low),
      high: Math.max(all.high, high),
    }),
    { low: Number.POSITIVE_INFINITY, high: 0 },
  );
}

/** "pass, 240–340 ms": a side in a table's cell. */
export function sideText(side: Side | null): string {
  if (side === null) return "–";
  return [verdictWords[side.verdict], outagesText(side)].filter((part) => part !== "").join(", ");
}

/** "1.40 s – 2.10 s (2×), 3 lost"; "" when it was not run. */
export function outagesText({ results, worst, lost }: Side): string {
  if (results.length === 0) return "";
  const outages =
    results.length === 1 ? outageText(worst) : `${rangeText(envelope(results))} (${results.length}×)`;
  return lost > 0 ? `${outages}, ${lost} lost` : outages;
}

const rangeText = ({ low, high }: { low: number; high: number }): string =>
  low === 0 ? `< ${duration(high)}` : `${duration(low)} – ${duration(high)}`;

export function differenceText({ differenceMs }: Comparison): string {
  if (differenceMs === null) return "–";
  if (differenceMs === 0) return "0 ms";
  return `${differenceMs < 0 ? "−" : "+"}${duration(Math.abs(differenceMs))}`;
}

/** Lines of a table for a terminal. */
export function comparisonLines(comparisons: readonly Comparison[]): string[] {
  const rows = [
    ["Fault", "A", "B", "Difference", "Judgement"],
    ...comparisons.map((comparison) => [
      comparison.fault,
      sideText(comparison.a),
      sideText(comparison.b),
      differenceText(comparison),
      `${comparison.change}: ${comparison.because}`,
    ]),
  ];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .replaceAll(/[\u00a0\u202f]/g, " ") // a terminal breaks no lines: for those who search its text
      .trimEnd();
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...body.map(line)];
}
