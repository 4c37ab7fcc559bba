/** Reads what other versions of Holdfast wrote: a field that is absent has its neutral value. */
import type { NamedFigure, ReportVerdict, Result } from "./model.ts";

const verdicts: readonly string[] = ["pass", "fail", "inconclusive", "not-run"];

/** One entry of `faults` in a `verdict.json`; null when it is none. */
export function readResult(value: unknown): Result | null {
  if (!isRecord(value)) return null;
  const text = (name: string): string => (typeof value[name] === "string" ? value[name] : "");
  const number = (name: string): number => (typeof value[name] === "number" ? value[name] : 0);
  const fault = text("fault");
  const verdict = text("verdict");
  if (fault === "" || !verdicts.includes(verdict)) return null;
  const reasons = texts(value["reasons"]);
  const reason = text("reason");
  return {
    fault,
    tier: text("tier"),
    title: text("title") || fault,
    target: text("target"),
    verdict: verdict as ReportVerdict,
    reasons: reasons.length === 0 && reason !== "" ? [reason] : reasons,
    proof: text("proof"),
    recoveredBy: text("recoveredBy"),
    longestOutageMs: number("longestOutageMs"),
    outageRangeMs: readRange(value["longestOutageRangeMs"], number("longestOutageMs"), number("samplingMs")),
    longestOutageMsByClass: numbers(value["longestOutageMsByClass"]),
    unavailableMs: number("unavailableMs"),
    requests: number("requests"),
    failedRequests: number("failedRequests"),
    failedIdempotentRequests: number("failedIdempotentRequests"),
    acknowledgedWrites: number("acknowledgedWrites"),
    acknowledgedWritesLost: number("acknowledgedWritesLost"),
    lostWrites: texts(value["lostWrites"]),
    phantomWrites: texts(value["phantomWrites"]),
    duplicateWrites: texts(value["duplicateWrites"]),
    unverifiedWrites: number("unverifiedWrites"),
    samplingMs: number("samplingMs"),
    sendLagP99Ms: number("sendLagP99Ms"),
  };
}

/** Runs of older versions have no range: one spacing to either side, none below 0. */
function readRange(range: unknown, length: number, spacing: number): Result["outageRangeMs"] {
  if (isRecord(range) && typeof range["low"] === "number" && typeof range["high"] === "number") {
    return { low: range["low"], high: range["high"] };
  }
  return { low: Math.max(0, length - spacing), high: length + spacing };
}

const shown = new Set(
  [
    "fault title target verdict reasons reason proof recoveredBy tookEffect repeat tier objectives",
    "longestOutageMs longestOutageMsByClass longestOutageRangeMs latencyMsByClass unavailableMs requests failed unknown failedRequests failedIdempotentRequests",
    "acknowledgedWrites acknowledgedWritesLost lostWrites phantomWrites duplicateWrites unverifiedWrites",
    "samplingMs sendLagP99Ms",
  ].flatMap((names) => names.split(" ")),
);

/** Figures of a result that the report has no place of its own for: shown by name, not dropped. */
export function otherFigures(value: unknown): NamedFigure[] {
  return isRecord(value)
    ? figuresIn(value, "").filter(({ name }) => !shown.has(name.split(".")[0] ?? ""))
    : [];
}

const MAX_DEPTH = 3;

function figuresIn(value: Record<string, unknown>, prefix: string, depth = 0): NamedFigure[] {
  return Object.entries(value).flatMap(([key, entry]) => {
    const name = `${prefix}${key}`;
    if (entry === null || entry === "" || entry === 0) return [];
    if (isRecord(entry)) return depth < MAX_DEPTH ? figuresIn(entry, `${name}.`, depth + 1) : [];
    if (Array.isArray(entry)) return entry.length === 0 ? [] : [{ name, value: listText(entry) }];
    return [{ name, value: wordOf(entry) }];
  });
}

const MAX_ENTRIES = 20;

function listText(entries: readonly unknown[]): string {
  const first = entries.slice(0, MAX_ENTRIES).map(wordOf);
  const more = entries.length - first.length;
  return first.join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function wordOf(value: unknown): string {
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(round(value)) : JSON.stringify(value);
}

const round = (value: number): number => Math.round(value * 10) / 10;
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const texts = (value: unknown): string[] =>
  Array.isArray(value)
    ? value.flatMap((entry: unknown) => {
        if (typeof entry === "string") return [entry];
        // Writes may be listed with their times too.
        return isRecord(entry) && typeof entry["id"] === "string" ? [entry["id"]] : [];
      })
    : [];
const numbers = (value: unknown): Record<string, number> =>
  isRecord(value)
    ? Object.fromEntries(
        Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
      )
    : {};
