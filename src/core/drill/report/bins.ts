/** Requests in bins of time and latency: what the pictures are drawn from, whatever the number of requests. */
import type { RequestRecord } from "../history.ts";
import { percentile } from "../statistics.ts";
import { isIn, type Interval, SLOW_MS } from "../outages.ts";

/** Rows of a heat map: half an octave each, from 1 ms up; the last holds all above. */
const ROWS_PER_OCTAVE = 2;
export const LATENCY_ROWS = 15 * ROWS_PER_OCTAVE; // to 2^15 ms: above the longest time a request may take

/** Row of a latency; below 1 ms is row 0. */
export const latencyRow = (ms: number): number =>
  ms <= 1 ? 0 : Math.min(LATENCY_ROWS - 1, Math.floor(Math.log2(ms) * ROWS_PER_OCTAVE));

export interface TimeBin {
  /** Answered well and within the limit. */
  inTime: number;
  /** Answered well, but later than SLOW_MS. */
  slow: number;
  /** Failed or unknown. */
  bad: number;
  /** Answers by latency row; only good ones. */
  readonly latency: number[];
}

export interface Binned {
  readonly from: number;
  /** Width of a bin, ms. */
  readonly width: number;
  readonly bins: readonly TimeBin[];
}

/** Bins by the time a request was due; those due outside are left out. */
export function bin(records: readonly RequestRecord[], window: Interval, count: number): Binned {
  const width = Math.max(1, (window.to - window.from) / count);
  const bins = Array.from({ length: count }, (): TimeBin => ({ inTime: 0, slow: 0, bad: 0, latency: [] }));
  for (const { intended, done, outcome } of records) {
    const target = bins[Math.floor((intended - window.from) / width)];
    if (target === undefined) continue;
    if (outcome !== "ok") {
      target.bad += 1;
      continue;
    }
    if (done - intended > SLOW_MS) target.slow += 1;
    else target.inTime += 1;
    const row = latencyRow(done - intended);
    target.latency[row] = (target.latency[row] ?? 0) + 1;
  }
  return { from: window.from, width, bins };
}

export interface Percentiles {
  readonly requests: number;
  readonly notOk: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Latency from when it was due, ms, of good answers to requests that were due in the window; null of none. */
export function percentilesIn(records: readonly RequestRecord[], window: Interval): Percentiles | null {
  const due = records.filter(({ intended }) => intended >= window.from && intended < window.to);
  if (due.length === 0) return null;
  const latencies = due
    .filter(({ outcome }) => outcome === "ok")
    .map(({ intended, done }) => done - intended);
  return {
    requests: due.length,
    notOk: due.length - latencies.length,
    p50: percentile(latencies, 0.5),
    p90: percentile(latencies, 0.9),
    p99: percentile(latencies, 0.99),
    max: percentile(latencies, 1),
  };
}

/**
 * Requests by window, in one pass over a long history. Windows may overlap: an edge belongs to both.
 * @param windows in the order of their beginnings
 */
export function split(records: readonly RequestRecord[], windows: readonly Interval[]): RequestRecord[][] {
  const parts = windows.map((): RequestRecord[] => []);
  for (const record of records) {
    // The first window that ends after the request began; those after it may have it too.
    let index = lowerBound(windows, record.intended);
    for (
      let window = windows[index];
      window !== undefined && window.from <= record.done;
      window = windows[index]
    ) {
      if (isIn(record, window)) parts[index]?.push(record);
      index += 1;
    }
  }
  return parts;
}

function lowerBound(windows: readonly Interval[], time: number): number {
  let low = 0;
  let high = windows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((windows[middle]?.to ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
