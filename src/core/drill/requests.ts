/** What clients saw of their requests in the window of one fault. Pure. */
import { type RequestClass, type RequestRecord, SKIPPED } from "./history.ts";
import type { Evidence, Marks } from "./judge.ts";
import { type Interval, isIn, lengthOf, type Outage, outagesByClass, union } from "./outages.ts";
import { percentile, rank } from "./statistics.ts";

/** A generator later than this (99th percentile) measured itself, not the service. */
export const SEND_LAG_LIMIT_MS = 10;

/** The true value lies in it, ends included, ms. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Percentiles by nearest rank, ms. */
export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export function measureRequests(evidence: Evidence, marks: Marks) {
  const { history, samplingMs } = evidence;
  const window: Interval = { from: marks.inject, to: marks.end };
  const endOfLoad = history.reduce((latest, record) => Math.max(latest, record.done), marks.end);
  const byClass = outagesByClass(history, window, endOfLoad);
  const due = history.filter((record) => isIn(record, window));
  const records = due.filter((record) => record.error !== SKIPPED);
  const longest = ofClasses((name) => longestOf(byClass.get(name) ?? [], name, evidence, records));
  const { outageMs, range, sendLagMs } = Object.values(longest).reduce((a, b) =>
    b.outageMs > a.outageMs || (a.outageMs === 0 && b.range.high > a.range.high) ? b : a,
  );
  const count = (test: (record: RequestRecord) => boolean): number => records.filter(test).length;
  return {
    longestOutageMs: outageMs,
    unavailableMs: round(
      union([...byClass.values()].flat()).reduce((total, interval) => total + lengthOf(interval), 0),
    ),
    failedRequests: count((record) => record.outcome !== "ok"),
    failedIdempotentRequests: count((record) => record.outcome !== "ok" && record.class !== "write"),
    failed: count((record) => record.outcome === "failed"),
    unknown: count((record) => record.outcome === "unknown"),
    longestOutageMsByClass: ofClasses((name) => longest[name].outageMs),
    longestOutageRangeMs: range,
    longestOutageRangeMsByClass: ofClasses((name) => longest[name].range),
    sendLagInLongestMs: sendLagMs,
    latencyMsByClass: ofClasses((requestClass) =>
      latencyOf(due.filter((record) => record.class === requestClass)),
    ),
    skipped: due.length - records.length,
    samplingMs,
    sendLagP99Ms: round(
      percentile(
        records.map((record) => record.sent - record.intended),
        0.99,
      ),
    ),
    requests: records.length,
  };
}

const ofClasses = <T>(value: (requestClass: RequestClass) => T): Record<RequestClass, T> => ({
  read: value("read"),
  "read-fresh": value("read-fresh"),
  write: value("write"),
});

interface Longest {
  readonly outageMs: number;
  readonly range: Range;
  /** How late the generator was with the requests in it; 0 when it was in time. */
  readonly sendLagMs: number;
}

/**
 * A client sees an outage begin up to one spacing late; what the generator was late by while it lasted may be
 * no outage at all. Without any, one shorter than the spacing may hide.
 */
function longestOf(
  outages: readonly Outage[],
  requestClass: RequestClass,
  { samplingMs, samplingMsByClass = {} }: Evidence,
  records: readonly RequestRecord[],
): Longest {
  const spacing = samplingMsByClass[requestClass] ?? samplingMs;
  const [first] = outages;
  if (first === undefined) return { outageMs: 0, range: { low: 0, high: round(spacing) }, sendLagMs: 0 };
  const longest = outages.reduce((a, b) => (lengthOf(b) > lengthOf(a) ? b : a), first);
  const own = records.filter((record) => record.class === requestClass);
  const late = own.reduce(
    (most, record) => (isIn(record, longest) ? Math.max(most, record.sent - record.intended) : most),
    0,
  );
  const sendLagMs = late > SEND_LAG_LIMIT_MS ? round(late) : 0;
  const { from, proven, overBy } = longest;
  const begin = own.find(({ intended }) => intended === from);
  const low = Math.max(0, proven - from - late);
  const high = overBy - from + Math.max(spacing, sinceBefore(begin, own));
  return { outageMs: round(lengthOf(longest)), range: { low: round(low), high: round(high) }, sendLagMs };
}

/** From the request before of the same client, ms: more than the spacing where requests were skipped. */
function sinceBefore(record: RequestRecord | undefined, records: readonly RequestRecord[]): number {
  if (record === undefined) return 0;
  let before: number | null = null;
  for (const { client, intended } of records) {
    if (client !== record.client || intended >= record.intended) continue;
    before = Math.max(before ?? intended, intended);
  }
  return before === null ? 0 : record.intended - before;
}

/**
 * Of served requests. A skipped one would have waited with those that had taken its connections: until the
 * next answer to its client. Left out, it would make a hang look better than it was (coordinated omission).
 */
export function latencyOf(own: readonly RequestRecord[]): Latency {
  const latencies = own
    .filter((record) => record.outcome === "ok")
    .map((record) => record.done - record.intended);
  const skipped = own.filter((record) => record.error === SKIPPED);
  if (skipped.length > 0) latencies.push(...waitsOf(skipped, own));
  const sorted = latencies.sort((a, b) => a - b);
  const at = (fraction: number): number => round(rank(sorted, fraction));
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

function waitsOf(skipped: readonly RequestRecord[], records: readonly RequestRecord[]): number[] {
  const byClient = new Map<number, RequestRecord[]>();
  for (const record of records) {
    if (record.error === SKIPPED) continue;
    const known = byClient.get(record.client);
    if (known === undefined) byClient.set(record.client, [record]);
    else known.push(record);
  }
  for (const ended of byClient.values()) ended.sort((a, b) => a.done - b.done);
  return skipped.flatMap(({ client, intended }) => {
    const next = byClient.get(client)?.find(({ done }) => done >= intended);
    return next?.outcome === "ok" ? [next.done - intended] : []; // else it would have failed too
  });
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
