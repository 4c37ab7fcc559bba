/**
 * Outages as clients saw them, from the history alone (docs/drill.md has the definitions in words).
 */
import { requestClasses, type RequestClass, type RequestRecord, SKIPPED } from "./history.ts";

/** An answer later than this after the intended send time is an outage while it lasts. */
export const SLOW_MS = 250;

export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** Milliseconds from `from` to `to`, as recorded by the generator. */
export const lengthOf = ({ from, to }: Interval): number => to - from;

/** True when the client was not served in time. */
export const isBad = (record: RequestRecord): boolean =>
  record.outcome === "ok" ? record.done - record.intended > SLOW_MS : record.error !== SKIPPED;

/** Union of intervals, in order; touching ones become one. */
export function union(intervals: readonly Interval[]): Interval[] {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of [...intervals].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last.to) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}

/**
 * Outage intervals by class, merged over the clients of the class.
 *
 * @param history all records, in any order: a request inside the window may end after it
 * @param window  requests that were under way at any time in it count
 * @param end     where an outage that nothing ended is cut: the end of the load
 */
export function outagesByClass(
  history: readonly RequestRecord[],
  window: Interval,
  end: number,
): Map<RequestClass, Interval[]> {
  const byClass = new Map<RequestClass, Interval[]>();
  for (const requestClass of requestClasses) {
    const intervals: Interval[] = [];
    for (const records of byClient(history, requestClass).values()) {
      intervals.push(...outagesOfClient(records, window, end));
    }
    byClass.set(requestClass, union(intervals));
  }
  return byClass;
}

/** A request counts in a window when it was under way at some time in it. */
export const isIn = (record: RequestRecord, window: Interval): boolean =>
  record.done >= window.from && record.intended <= window.to;

function byClient(
  history: readonly RequestRecord[],
  requestClass: RequestClass,
): Map<number, RequestRecord[]> {
  const clients = new Map<number, RequestRecord[]>();
  for (const record of history) {
    if (record.class !== requestClass) continue;
    const records = clients.get(record.client);
    if (records === undefined) clients.set(record.client, [record]);
    else records.push(record);
  }
  for (const records of clients.values()) records.sort((a, b) => a.intended - b.intended);
  return clients;
}

function outagesOfClient(records: readonly RequestRecord[], window: Interval, end: number): Interval[] {
  const intervals: Interval[] = [];
  let nextOk: RequestRecord | undefined; // the first ok request intended after the one looked at
  for (const record of records.toReversed()) {
    if (isIn(record, window) && isBad(record)) {
      const to = record.outcome === "ok" ? record.done : (nextOk?.done ?? Math.max(end, record.done));
      intervals.push({ from: record.intended, to });
    }
    if (record.outcome === "ok") nextOk = record;
  }
  return intervals;
}
