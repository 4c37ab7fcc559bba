/** What a bench prints. */
import { cpus, release, totalmem } from "node:os";

export interface Row {
  readonly fault: string;
  readonly side: string;
  /** Of each run, ms. */
  readonly outages: readonly number[];
  /** Failed requests of each run. */
  readonly failed: readonly number[];
  /** In how many runs the address had moved afterwards. */
  readonly moved: number;
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
};

const range = (values: readonly number[]): string =>
  [Math.min(...values), median(values), Math.max(...values)].map((value) => Math.round(value)).join(" / ");

export function printTable(title: string, rows: readonly Row[]): void {
  const [cpu] = cpus();
  const gib = (totalmem() / 1024 ** 3).toFixed(0);
  console.log(`${title}
machine: ${cpus().length} × ${cpu?.model.trim() ?? "unknown processor"}, ${gib} GiB, Linux ${release()}, Node ${process.version}\n`);
  const head = [
    "fault",
    "side",
    "runs",
    "outage ms min/median/max",
    "failed requests min/median/max",
    "address moved",
  ];
  const cells = rows.map(({ fault, side, outages, failed, moved }) => [
    fault,
    side,
    String(outages.length),
    range(outages),
    range(failed),
    `${moved} of ${outages.length}`,
  ]);
  const widths = head.map((word, column) =>
    Math.max(word.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  for (const row of [head, widths.map((width) => "-".repeat(width)), ...cells])
    console.log(`| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`);
  console.log("");
}
