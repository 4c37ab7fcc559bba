/** The verdict on one fault, from the recorded history: pure, so that a stored run can be judged again. */
import { duration } from "../duration.ts";
import type { ReadBack, RequestClass, RequestRecord } from "./history.ts";
import type { Observation } from "./observations.ts";
import { judgeObserved, type ObservedResult } from "./observed.ts";
import { countUnverified, isDuplicate, wasDueIn, isLost, isOf, isPhantom, type Segment } from "./readback.ts";
import { type Latency, measureRequests, type Range, SEND_LAG_LIMIT_MS } from "./requests.ts";

export type Verdict = "pass" | "fail" | "inconclusive";

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
  /** What the topology promises and the service was not set up for when the fault came; absent: nothing found. */
  readonly brokenPromise?: string | null;
  /** Why the fault may have ended before it was healed; absent: it did not. */
  readonly endedEarly?: string | null;
  /** The operator ended the drill during it. */
  readonly interrupted?: boolean;
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
  readonly longestOutageRangeMsByClass?: Readonly<Record<RequestClass, Range>>;
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

export interface Evidence {
  readonly history: readonly RequestRecord[];
  /** Of the whole run, `settled`. */
  readonly readBack: readonly ReadBack[];
  /** Number of the fault in the run, from 0: what was found after it is its own. Absent: by when it was written. */
  readonly round?: number;
  readonly samplingMs: number;
  /** Where classes sample differently; `samplingMs` for those that are not in it. */
  readonly observations?: readonly Observation[];
  readonly samplingMsByClass?: Partial<Readonly<Record<RequestClass, number>>>;
}

/**
 * Judges one fault.
 * Outages and failures are those of requests under way between injection and end. Acknowledged writes are
 * those made since the fault's baseline began, because a failover loses the newest first; what is wrong with
 * writes is charged to the fault after which it was found.
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
  { observations = [], readBack, round }: Evidence,
  marks: Marks,
): Pick<FaultResult, "observed"> {
  if (observations.length === 0) return {};
  const window = { from: marks.inject, to: marks.end };
  return { observed: judgeObserved(observations, readBack, window, segmentOf(marks, round)) };
}

const segmentOf = ({ baseline, end }: Marks, round: number | undefined): Segment => ({
  from: baseline,
  to: end,
  ...(round === undefined ? {} : { round }),
});

type RequestMeasures = ReturnType<typeof measureRequests>;
type WriteMeasures = ReturnType<typeof measureWrites>;
type Measured = RequestMeasures & WriteMeasures & Pick<FaultResult, "observed">;

function measureWrites({ history, readBack, round }: Evidence, marks: Marks) {
  const segment = segmentOf(marks, round);
  const entries = readBack.filter((write) => write.of === undefined);
  const found = entries.filter((write) => isOf(write, segment));
  const lost = ids(found.filter(isLost));
  const acknowledgedWrites = history.filter(
    (record) => record.class === "write" && record.outcome === "ok" && wasDueIn(record.intended, segment),
  ).length;
  return {
    acknowledgedWrites,
    acknowledgedWritesLost: lost.length,
    lostWrites: lost,
    phantomWrites: ids(found.filter(isPhantom)),
    duplicateWrites: ids(found.filter(isDuplicate)),
    unverifiedWrites: countUnverified(acknowledgedWrites, entries, segment),
  };
}

function verdictOf(
  measured: Measured,
  marks: Marks,
  objectives: Objectives,
): { verdict: Verdict; reasons: string[] } {
  const certain = certainFailures(measured, marks, objectives); // whatever else is in doubt
  const missed: string[] = [];
  const doubts = doubtsOf(measured, marks);
  const { longestOutageMs, longestOutageRangeMs, sendLagInLongestMs } = measured;
  const most = objectives.recoveryTimeMs;
  if (longestOutageMs > most) {
    // The service was away for longer than allowed even if all that the generator was late by was its own fault.
    const isCertain = marks.tookEffect && longestOutageRangeMs.low > most;
    (isCertain ? certain : missed).push(
      `the longest outage was ${duration(longestOutageMs)}; the objective is ${duration(most)}`,
    );
    if (longestOutageMs - sendLagInLongestMs <= most) {
      const late = duration(sendLagInLongestMs);
      doubts.push(`during the longest outage the load generator itself was late by up to ${late}`);
    }
  }
  if (objectives.noIdempotentFailures && measured.failedIdempotentRequests > 0) {
    missed.push(
      `${measured.failedIdempotentRequests} idempotent requests failed although another host could serve them`,
    );
  }
  const reasons = [...certain, ...missed, ...doubts];
  // What a late generator saw missed, or under a fault that was none, proves nothing.
  if (certain.length > 0 || (missed.length > 0 && doubts.length === 0)) return { verdict: "fail", reasons };
  return { verdict: doubts.length > 0 ? "inconclusive" : "pass", reasons };
}

function certainFailures(measured: Measured, marks: Marks, { noDataLoss }: Objectives): string[] {
  const found: string[] = [];
  const { acknowledgedWritesLost: lost, observed } = measured;
  if (noDataLoss && lost > 0) found.push(`${lost} acknowledged writes are lost; the objective is none`);
  const trail = observed?.trail?.lost.length ?? 0;
  if (noDataLoss && trail > 0) {
    found.push(`${trail} acknowledged entries of the audit trail are lost; the objective is none`);
  }
  if (marks.brokenPromise !== undefined && marks.brokenPromise !== null) found.push(marks.brokenPromise);
  if (marks.notRecovered !== null) found.push(`not healthy again: ${marks.notRecovered}`);
  return found;
}

function doubtsOf(measured: Measured, marks: Marks): string[] {
  const doubts: string[] = [];
  if (marks.interrupted === true) doubts.push("the operator interrupted the drill during this fault");
  if (!marks.tookEffect) doubts.push(`the fault had no effect: ${marks.proof}`);
  if (marks.endedEarly !== undefined && marks.endedEarly !== null) doubts.push(marks.endedEarly);
  if (measured.requests === 0) doubts.push("no request was under way during the fault");
  if (measured.sendLagP99Ms > SEND_LAG_LIMIT_MS) {
    const [lag, limit] = [duration(measured.sendLagP99Ms), duration(SEND_LAG_LIMIT_MS)];
    doubts.push(`the load generator itself was late: send lag p99 ${lag}, limit ${limit}`);
  }
  if (measured.unverifiedWrites > 0) {
    doubts.push(`${measured.unverifiedWrites} acknowledged writes could not be read back`);
  }
  const trail = measured.observed?.trail?.unverified ?? 0;
  if (trail > 0) doubts.push(`${trail} acknowledged entries of the audit trail could not be read back`);
  return doubts;
}

const ids = (writes: readonly ReadBack[]): string[] => writes.map((write) => write.id);
