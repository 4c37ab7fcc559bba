/** The verdict on one fault, from the recorded history: pure, so that a stored run can be judged again. */
import { type ReadBack, type RequestClass, type RequestRecord, SKIPPED } from "./history.ts";
import type { Observation } from "./observations.ts";
import { judgeObserved, type ObservedResult } from "./observed.ts";
import { type Interval, isIn, lengthOf, outagesByClass, union } from "./outages.ts";

export type Verdict = "pass" | "fail" | "inconclusive";

/** A generator later than this (99th percentile) measured itself, not the service. */
export const SEND_LAG_LIMIT_MS = 10;

/** When the phases of one fault began, ms since the start of the load. */
export interface Marks {
  readonly fault: string;
  readonly title: string;
  readonly target: string;
  readonly baseline: number;
  readonly inject: number;
  /** The proof was found or given up. */
  readonly prove: number;
  /** Healing began. */
  readonly heal: number;
  /** Healthy again by the engines' own account. */
  readonly recovered: number;
  readonly end: number;
  readonly tookEffect: boolean;
  readonly proof: string;
  readonly recoveredBy: string;
  /** What was still missing when waiting for recovery ended; null when all was healthy. */
  readonly notRecovered: string | null;
}

export interface Objectives {
  /** Longest outage that clients may see, ms. */
  readonly recoveryTimeMs: number;
  /** No acknowledged write may be lost. */
  readonly noDataLoss: boolean;
  /** Redundancy of the tier promises that no idempotent request fails. */
  readonly noIdempotentFailures: boolean;
}

export interface FaultResult {
  readonly fault: string;
  readonly tookEffect: boolean;
  readonly longestOutageMs: number;
  readonly unavailableMs: number;
  readonly failedRequests: number;
  readonly failedIdempotentRequests: number;
  readonly acknowledgedWrites: number;
  readonly acknowledgedWritesLost: number;
  readonly recoveredBy: string;
  readonly verdict: Verdict;
  readonly title: string;
  readonly target: string;
  readonly proof: string;
  /** Why the verdict is not `pass`; empty when it is. */
  readonly reasons: readonly string[];
  readonly longestOutageMsByClass: Readonly<Record<RequestClass, number>>;
  /** What is known of the longest outage, given how finely its class samples and how late the generator was. */
  readonly longestOutageRangeMs?: Range;
  /** How late the generator was during it at most, where that is more than `SEND_LAG_LIMIT_MS`. */
  readonly sendLagInLongestMs?: number;
  /** Latency of served requests, counted from when they were due. */
  readonly latencyMsByClass?: Readonly<Record<RequestClass, Latency>>;
  /** Requests that the generator left out (`SKIPPED`); not among `requests`. */
  readonly skipped?: number;
  readonly failed: number;
  readonly unknown: number;
  /** Spacing of one client's requests: outages are known to about this. */
  readonly samplingMs: number;
  readonly sendLagP99Ms: number;
  readonly requests: number;
  readonly lostWrites: readonly string[];
  /** Writes that had certainly not been done, and yet were found. */
  readonly phantomWrites: readonly string[];
  readonly duplicateWrites: readonly string[];
  /** Acknowledged writes that could not be read back, so that nothing is known of them. */
  readonly unverifiedWrites: number;
  /** Probes, long-lived connections, caches, the trail; absent where nothing was observed. */
  readonly observed?: ObservedResult;
}

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

export interface Evidence {
  readonly history: readonly RequestRecord[];
  readonly readBack: readonly ReadBack[];
  readonly samplingMs: number;
  /** Where classes sample differently; `samplingMs` for those that are not in it. */
  readonly observations?: readonly Observation[];
  readonly samplingMsByClass?: Partial<Readonly<Record<RequestClass, number>>>;
}

/** Nearest-rank percentile; 0 of nothing. */
export const percentile = (values: readonly number[], fraction: number): number =>
  rank(
    [...values].sort((a, b) => a - b),
    fraction,
  );

const rank = (sorted: readonly number[], fraction: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? 0;

/**
 * Judges one fault.
 * Outages and failures are those of requests under way between injection and end; writes are
 * those made since the fault's baseline began, because a failover loses the newest first.
 */
export function judge(evidence: Evidence, marks: Marks, objectives: Objectives): FaultResult {
  const measured = { ...measureRequests(evidence, marks), ...measureWrites(evidence, marks) };
  const observed = measureObserved(evidence, marks);
  const { verdict, reasons } = verdictOf({ ...measured, ...observed }, marks, objectives);
  return {
    fault: marks.fault,
    tookEffect: marks.tookEffect,
    ...measured,
    recoveredBy: marks.recoveredBy,
    verdict,
    title: marks.title,
    target: marks.target,
    proof: marks.proof,
    reasons,
    ...observed,
  };
}

function measureObserved(
  { observations = [], readBack }: Evidence,
  marks: Marks,
): Pick<FaultResult, "observed"> {
  if (observations.length === 0) return {};
  const { inject, baseline, end } = marks;
  const [window, segment] = [
    { from: inject, to: end },
    { from: baseline, to: end },
  ];
  return { observed: judgeObserved(observations, readBack, window, segment) };
}

type RequestMeasures = ReturnType<typeof measureRequests>;
type WriteMeasures = ReturnType<typeof measureWrites>;

function measureRequests(evidence: Evidence, marks: Marks) {
  const { history, samplingMs } = evidence;
  const window: Interval = { from: marks.inject, to: marks.end };
  const endOfLoad = history.reduce((latest, record) => Math.max(latest, record.done), marks.end);
  const byClass = outagesByClass(history, window, endOfLoad);
  const longest = longestOf(byClass);
  const longestOutageMsByClass = ofClasses((requestClass) =>
    round(Math.max(0, ...(byClass.get(requestClass) ?? []).map(lengthOf))),
  );
  const due = history.filter((record) => isIn(record, window));
  const records = due.filter((record) => record.error !== SKIPPED);
  const sendLagInLongestMs = sendLagIn(longest, records);
  const count = (test: (record: RequestRecord) => boolean): number => records.filter(test).length;
  return {
    longestOutageMs: Math.max(...Object.values(longestOutageMsByClass)),
    unavailableMs: round(
      union([...byClass.values()].flat()).reduce((total, interval) => total + lengthOf(interval), 0),
    ),
    failedRequests: count((record) => record.outcome !== "ok"),
    failedIdempotentRequests: count((record) => record.outcome !== "ok" && record.class !== "write"),
    failed: count((record) => record.outcome === "failed"),
    unknown: count((record) => record.outcome === "unknown"),
    longestOutageMsByClass,
    longestOutageRangeMs: rangeOf(longest, evidence, sendLagInLongestMs),
    sendLagInLongestMs,
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

type Longest = { readonly interval: Interval; readonly class: RequestClass } | null;

function longestOf(byClass: ReadonlyMap<RequestClass, readonly Interval[]>): Longest {
  let longest: Longest = null;
  for (const [requestClass, intervals] of byClass) {
    for (const interval of intervals) {
      if (longest === null || lengthOf(interval) > lengthOf(longest.interval)) {
        longest = { interval, class: requestClass };
      }
    }
  }
  return longest;
}

/**
 * A client sees an outage begin up to one spacing late, and end up to one spacing late; what the generator
 * was late by while it lasted may be no outage at all. Without any, one shorter than the spacing may hide.
 */
function rangeOf(longest: Longest, evidence: Evidence, sendLagMs: number): Range {
  const { samplingMs, samplingMsByClass = {} } = evidence;
  if (longest === null) {
    return { low: 0, high: round(Math.max(samplingMs, ...Object.values(samplingMsByClass))) };
  }
  const spacing = samplingMsByClass[longest.class] ?? samplingMs;
  const length = lengthOf(longest.interval);
  return { low: round(Math.max(0, length - spacing - sendLagMs)), high: round(length + spacing) };
}

/** How late the generator was with requests of the longest outage; 0 when it was in time. */
function sendLagIn(longest: Longest, records: readonly RequestRecord[]): number {
  let late = 0;
  for (const record of longest === null ? [] : records) {
    if (record.class === longest?.class && isIn(record, longest.interval)) {
      late = Math.max(late, record.sent - record.intended);
    }
  }
  return late > SEND_LAG_LIMIT_MS ? round(late) : 0;
}

/**
 * A skipped request would have waited with those that had taken its connections: until the next answer to
 * its client. Left out, it would make a hang look better than it was (coordinated omission).
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
  const answers = new Map<number, number[]>();
  for (const { client, outcome, done } of records) {
    if (outcome !== "ok") continue;
    const known = answers.get(client);
    if (known === undefined) answers.set(client, [done]);
    else known.push(done);
  }
  for (const times of answers.values()) times.sort((a, b) => a - b);
  return skipped.flatMap(({ client, intended }) => {
    const next = answers.get(client)?.find((done) => done >= intended);
    return next === undefined ? [] : [next - intended];
  });
}

function measureWrites({ history, readBack }: Evidence, marks: Marks) {
  const inSegment = (time: number): boolean => time >= marks.baseline && time < marks.end;
  const writes = readBack.filter((write) => write.of === undefined && inSegment(write.intended));
  const acknowledged = writes.filter((write) => write.outcome === "ok");
  const lost = acknowledged.filter((write) => write.found === "absent" || write.found === "other");
  const acknowledgedWrites = history.filter(
    (record) => record.class === "write" && record.outcome === "ok" && inSegment(record.intended),
  ).length;
  const verified = acknowledged.filter((write) => write.found !== "unreadable").length;
  return {
    acknowledgedWrites,
    acknowledgedWritesLost: lost.length,
    lostWrites: ids(lost),
    phantomWrites: ids(writes.filter((write) => write.outcome === "failed" && write.copies > 0)),
    duplicateWrites: ids(writes.filter((write) => write.copies > 1)),
    unverifiedWrites: acknowledgedWrites - verified,
  };
}

function verdictOf(
  measured: RequestMeasures & WriteMeasures & Pick<FaultResult, "observed">,
  marks: Marks,
  objectives: Objectives,
): { verdict: Verdict; reasons: string[] } {
  const certain: string[] = []; // whatever else was in doubt
  const missed: string[] = [];
  const doubts: string[] = [];
  if (objectives.noDataLoss && measured.acknowledgedWritesLost > 0) {
    certain.push(`${measured.acknowledgedWritesLost} acknowledged writes are lost; the objective is none`);
  }
  const trail = measured.observed?.trail;
  if (objectives.noDataLoss && trail !== undefined && trail !== null && trail.lost.length > 0) {
    certain.push(
      `${trail.lost.length} acknowledged entries of the audit trail are lost; the objective is none`,
    );
  }
  if (marks.notRecovered !== null) certain.push(`not healthy again: ${marks.notRecovered}`);
  if (measured.longestOutageMs > objectives.recoveryTimeMs) {
    missed.push(
      `the longest outage was ${measured.longestOutageMs} ms; the objective is ${objectives.recoveryTimeMs} ms`,
    );
  }
  if (objectives.noIdempotentFailures && measured.failedIdempotentRequests > 0) {
    missed.push(
      `${measured.failedIdempotentRequests} idempotent requests failed although another host could serve them`,
    );
  }
  if (!marks.tookEffect) doubts.push(`the fault had no effect: ${marks.proof}`);
  if (measured.requests === 0) doubts.push("no request was under way during the fault");
  if (measured.sendLagP99Ms > SEND_LAG_LIMIT_MS) {
    doubts.push(
      `the load generator itself was late: send lag p99 ${measured.sendLagP99Ms} ms, limit ${SEND_LAG_LIMIT_MS} ms`,
    );
  }
  const { longestOutageMs: longest, sendLagInLongestMs: late } = measured;
  if (longest > objectives.recoveryTimeMs && longest - late <= objectives.recoveryTimeMs) {
    doubts.push(`during the longest outage the load generator itself was late by up to ${late} ms`);
  }
  if (measured.unverifiedWrites > 0) {
    doubts.push(`${measured.unverifiedWrites} acknowledged writes could not be read back`);
  }
  if (trail !== undefined && trail !== null && trail.unverified > 0) {
    doubts.push(`${trail.unverified} acknowledged entries of the audit trail could not be read back`);
  }
  const reasons = [...certain, ...missed, ...doubts];
  // A missed time seen by a late generator, or under a fault that was none, proves nothing.
  if (certain.length > 0 || (missed.length > 0 && doubts.length === 0)) return { verdict: "fail", reasons };
  return { verdict: doubts.length > 0 ? "inconclusive" : "pass", reasons };
}

const ids = (writes: readonly ReadBack[]): string[] => writes.map((write) => write.id);
const round = (ms: number): number => Math.round(ms * 10) / 10;
