/** The result of a drill run, for machines (one NDJSON line) and for people (one table). */
import { duration } from "../duration.ts";
import type { FaultResult } from "./judge.ts";

/** Its first fields and their names are stable: scripts depend on them (docs/drill.md). */
export interface DrillSummary {
  readonly type: "summary";
  readonly topology: string;
  readonly faults: readonly FaultResult[];
  /** Where the raw history, the marks and the verdict are. */
  readonly folder: string;
  /** Why the run ended before all its faults were done; null when it did not. */
  readonly aborted: string | null;
}

export type DrillConclusion = "pass" | "objective-missed" | "aborted" | "inconclusive";

/** A drill that could not go on outweighs what it measured before: somebody must look at the service now. */
export function conclude({ faults, aborted }: Pick<DrillSummary, "faults" | "aborted">): DrillConclusion {
  if (aborted !== null) return "aborted";
  if (faults.some((fault) => fault.verdict === "fail")) return "objective-missed";
  if (faults.length === 0 || faults.some((fault) => fault.verdict === "inconclusive")) return "inconclusive";
  return "pass";
}

const columns = ["Fault", "Longest outage", "Failed requests", "Writes lost", "Recovered by", "Verdict"];

/** One row per fault, then why a verdict is not `pass`. */
export function formatSummary(summary: DrillSummary): string[] {
  const rows = summary.faults.map((fault) => [
    `${fault.fault} (${fault.target})`,
    formatOutage(fault),
    `${fault.failedRequests} of ${fault.requests} (GET: ${fault.failedIdempotentRequests})`,
    `${fault.acknowledgedWritesLost} of ${fault.acknowledgedWrites}`,
    fault.recoveredBy,
    fault.tookEffect ? fault.verdict : `${fault.verdict}: no effect`,
  ]);
  const lines = table([columns, ...rows]);
  for (const fault of summary.faults) {
    for (const reason of fault.reasons) lines.push(`${fault.fault}: ${reason}`);
  }
  if (summary.aborted !== null) lines.push(`aborted: ${summary.aborted}`);
  const sampling = summary.faults[0]?.samplingMs;
  if (sampling !== undefined)
    lines.push(`Outages are known to about ${duration(sampling)} (spacing of one client's requests).`);
  return lines;
}

/** An interval, because a client that asks every 40 ms cannot know it better. */
function formatOutage({ longestOutageMs, longestOutageRangeMs: range }: FaultResult): string {
  if (range === undefined) return duration(longestOutageMs);
  if (longestOutageMs === 0) return `< ${duration(range.high)}`;
  return `${duration(range.low)} – ${duration(range.high)}`;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...body.map(line)];
}
