/** What was observed beside the requests, judged for the window of one fault. Pure. */
import type { ReadBack } from "./history.ts";
import type {
  AppendRecord,
  ChangeRecord,
  ConnectionRecord,
  Observation,
  ProbeProtocol,
  ProbesRecord,
  ShownRecord,
} from "./observations.ts";
import { type Interval, SLOW_MS } from "./outages.ts";
import { countUnverified, isDuplicate, wasDueIn, isLost, isOf, isPhantom, type Segment } from "./readback.ts";
import type { Range } from "./requests.ts";

export interface ObservedResult {
  /** Longest time without an answered probe; null where no probe was ever answered: nobody answers there. */
  readonly tcpOutageMs: Range | null;
  readonly udpOutageMs: Range | null;
  readonly connections: readonly ConnectionFate[];
  /** How old a change was at most before every app host that answered showed it; null: not measured. */
  readonly stalenessMs: Range | null;
  readonly trail: TrailResult | null;
  /** The observer's own longest pause in the window: nothing above is known better. */
  readonly pauseMs: number;
}

/** What became of a connection that was open when the fault began. */
export interface ConnectionFate {
  readonly name: string;
  readonly purpose: ConnectionRecord["purpose"];
  /** `hung`: silent for longer than clients tolerate (`SLOW_MS` beyond its interval), cut afterwards or not. */
  readonly fate: "survived" | "cut" | "hung";
  /** Since the injection; null: it was not cut. */
  readonly cutAfterMs: number | null;
  /** Its longest silence, less the interval at which it always speaks. */
  readonly silentMs: number;
  /** From the cut to the first data on a new one; null: it was not cut, or none came about. */
  readonly againAfterMs: number | null;
  readonly error: string | null;
}

export interface TrailResult {
  readonly acknowledged: number;
  readonly failed: number;
  readonly unknown: number;
  readonly lost: readonly string[];
  readonly phantom: readonly string[];
  readonly duplicate: readonly string[];
  readonly unverified: number;
}

/** @param window from the injection to the end of the fault, @param segment from its baseline: writes are lost before */
export function judgeObserved(
  observations: readonly Observation[],
  readBack: readonly ReadBack[],
  window: Interval,
  segment: Segment,
): ObservedResult {
  const of = <K extends Observation["kind"]>(kind: K) =>
    observations.filter((one): one is Extract<Observation, { kind: K }> => one.kind === kind);
  const probes = of("probes");
  const pauses = of("pause").filter(({ at }) => at + 1000 >= window.from && at <= window.to);
  return {
    tcpOutageMs: probeOutage(probes, "tcp", window),
    udpOutageMs: probeOutage(probes, "udp", window),
    connections: fatesOf(of("connection"), window),
    stalenessMs: staleness(of("change"), of("shown"), window),
    trail: trailOf(of("append"), readBack, segment),
    pauseMs: round(Math.max(0, ...pauses.map(({ ms }) => ms))),
  };
}

/**
 * Between the last answered probe before and the first after it, the address was away for at least as long
 * as from the first unanswered probe to the last, and at most as long as between those answered.
 */
export function probeOutage(
  probes: readonly ProbesRecord[],
  protocol: ProbeProtocol,
  window: Interval,
): Range | null {
  const runs = probes.filter((run) => run.protocol === protocol).sort((a, b) => a.from - b.from);
  if (!runs.some(({ ok }) => ok)) return null;
  let longest: Range = { low: 0, high: 0 };
  for (const [index, run] of runs.entries()) {
    if (run.ok) continue;
    const before = runs.slice(0, index).findLast(({ ok }) => ok);
    const after = runs.slice(index + 1).find(({ ok }) => ok);
    const to = after?.from ?? run.to;
    if (to < window.from || run.from > window.to) continue;
    const last = after === undefined ? run.to : (runs[runs.indexOf(after) - 1]?.to ?? run.to);
    const range = { low: round(last - run.from), high: round(to - (before?.to ?? run.from)) };
    if (range.high > longest.high) longest = range;
  }
  return longest;
}

function fatesOf(connections: readonly ConnectionRecord[], window: Interval): ConnectionFate[] {
  // One that had hung before is not this fault's.
  const isDead = ({ everyMs, silences }: ConnectionRecord): boolean =>
    silences.some(({ from, to }) => from + 2 * everyMs < window.from && to >= window.from);
  const open = connections.filter(
    (one) => one.opened < window.from && one.ended >= window.from && !isDead(one),
  );
  return open.map((connection) => {
    const { name, purpose, everyMs, ended, end, error } = connection;
    const silences = connection.silences.filter(({ from, to }) => to >= window.from && from <= window.to);
    const silentMs = round(Math.max(0, ...silences.map(({ from, to }) => to - from - everyMs)));
    const isCut = end === "cut" && ended <= window.to;
    const next = connections
      .filter((other) => other.name === name && other.opened >= ended)
      .sort((a, b) => a.opened - b.opened)[0];
    return {
      name,
      purpose,
      fate: silentMs > SLOW_MS ? "hung" : isCut ? "cut" : "survived",
      cutAfterMs: isCut ? round(ended - window.from) : null,
      silentMs,
      againAfterMs: isCut && next !== undefined ? round(next.opened - ended) : null,
      error: isCut ? error : null,
    };
  });
}

/**
 * A host is stale while it shows an older change than one that was acknowledged. At least until it was last
 * seen so, at most until it was first seen with that change or a later one.
 */
export function staleness(
  changes: readonly ChangeRecord[],
  shown: readonly ShownRecord[],
  window: Interval,
): Range | null {
  if (shown.length === 0 || changes.length === 0) return null;
  const acknowledged = changes.filter(({ outcome }) => outcome === "ok").sort((a, b) => a.n - b.n);
  let longest: Range = { low: 0, high: 0 };
  for (const host of new Set(shown.map((run) => run.host))) {
    const runs = shown.filter((run) => run.host === host).sort((a, b) => a.from - b.from);
    for (const [index, run] of runs.entries()) {
      const missing = acknowledged.find(({ n }) => n > run.n);
      const next = runs[index + 1];
      if (missing === undefined || missing.done > (next?.seen ?? run.to)) continue;
      if ((next?.seen ?? run.to) < window.from || run.to > window.to) continue;
      const low = Math.max(0, run.to - missing.done);
      const high = Math.max(low, (next?.seen ?? run.to) - missing.done);
      // Not answering is not showing something old: a gap between two runs is no staleness by itself.
      const gap = next === undefined ? 0 : next.from - run.to;
      const known = gap > GAP_MS ? low : high;
      if (known > longest.high) longest = { low: round(low), high: round(known) };
    }
  }
  return longest;
}

/** Between two questions to a host that answers, with some margin for a busy machine, ms. */
const GAP_MS = 200;

function trailOf(
  appends: readonly AppendRecord[],
  readBack: readonly ReadBack[],
  segment: Segment,
): TrailResult | null {
  if (appends.length === 0) return null;
  const own = appends.filter(({ intended }) => wasDueIn(intended, segment));
  const read = readBack.filter((write) => write.of === "trail");
  const acknowledged = own.filter(({ outcome }) => outcome === "ok").length;
  const ids = (test: (write: ReadBack) => boolean): string[] =>
    read.filter((write) => isOf(write, segment) && test(write)).map(({ id }) => id);
  return {
    acknowledged,
    failed: own.filter(({ outcome }) => outcome === "failed").length,
    unknown: own.filter(({ outcome }) => outcome === "unknown").length,
    lost: ids(isLost),
    phantom: ids(isPhantom),
    duplicate: ids(isDuplicate),
    unverified: countUnverified(acknowledged, read, segment),
  };
}

const round = (ms: number): number => Math.round(ms * 10) / 10;
