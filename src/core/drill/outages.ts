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

/** An outage of one class. It ended at some time from `proven` to `overBy`; `to` is the best that is known. */
export interface Outage extends Interval {
  /** A request that was due then was not served, or one that had waited was served. */
  readonly proven: number;
  /** Every client that it had concerned was served by then. */
  readonly overBy: number;
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
 * Outages by class, merged over the clients of the class.
 *
 * @param history all records, in any order: a request inside the window may end after it
 * @param window  requests that were under way at any time in it count
 * @param end     where an outage that nothing ended is cut: the end of the load
 */
export function outagesByClass(
  history: readonly RequestRecord[],
  window: Interval,
  end: number,
): Map<RequestClass, Outage[]> {
  const byClass = new Map<RequestClass, Outage[]>();
  for (const requestClass of requestClasses) {
    const spells: Spell[] = [];
    for (const records of byClient(history, requestClass).values()) {
      spells.push(...spellsOfClient(records, window, end));
    }
    byClass.set(requestClass, merged(spells).map(outageOf));
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

/** One request that was not served in time. */
interface Spell extends Interval {
  readonly client: number;
  /** It was not served at all. */
  readonly failed: boolean;
  /** The client's first served request that was due later; undefined: none, or its own late answer ended it. */
  readonly back: RequestRecord | undefined;
}

function spellsOfClient(records: readonly RequestRecord[], window: Interval, end: number): Spell[] {
  const spells: Spell[] = [];
  let nextOk: RequestRecord | undefined; // the first ok request intended after the one looked at
  for (const record of records.toReversed()) {
    const { client, intended: from } = record;
    if (isIn(record, window) && isBad(record)) {
      spells.push(
        record.outcome === "ok"
          ? { client, from, to: record.done, failed: false, back: undefined }
          : { client, from, to: nextOk?.done ?? Math.max(end, record.done), failed: true, back: nextOk },
      );
    }
    if (record.outcome === "ok") nextOk = record;
  }
  return spells;
}

/** Spells that overlap or touch, together. */
function merged(spells: readonly Spell[]): Spell[][] {
  const groups: Spell[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const spell of [...spells].sort((a, b) => a.from - b.from)) {
    if (spell.from <= end) groups.at(-1)?.push(spell);
    else groups.push([spell]);
    end = Math.max(end, spell.to);
  }
  return groups;
}

/**
 * The clients ask one after the other, so together they see an end much earlier than the last of them: it is
 * when the first is served of those who were not until the last failure. A client that was served again while
 * others failed still (another host's) says nothing of their end.
 */
function outageOf(group: readonly Spell[]): Outage {
  const failures = group.filter(({ failed }) => failed);
  const lastFailure = latest(failures.map(({ from }) => from));
  const lastAnswer = latest(group.filter(({ failed }) => !failed).map(({ to }) => to));
  const overBy = latest(group.map(({ to }) => to));
  const back = failures.flatMap((spell) =>
    spell.back !== undefined && spell.back.intended > lastFailure ? [spell.back.done] : [],
  );
  const end = failures.length === 0 ? lastAnswer : back.reduce((a, b) => Math.min(a, b), overBy);
  const from = group.reduce((first, spell) => Math.min(first, spell.from), Number.POSITIVE_INFINITY);
  return { from, to: Math.max(end, lastAnswer), proven: Math.max(lastFailure, lastAnswer), overBy };
}

const latest = (times: readonly number[]): number =>
  times.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
