/** What read-backs say of writes: one response of one write, and several read-backs of a run together. */
import type { ReadBack } from "./history.ts";
import type { Interval } from "./outages.ts";

export const isLost = ({ outcome, found }: ReadBack): boolean =>
  outcome === "ok" && (found === "absent" || found === "other");
export const isPhantom = ({ outcome, copies }: ReadBack): boolean => outcome === "failed" && copies > 0;
export const isDuplicate = ({ copies }: ReadBack): boolean => copies > 1;

/**
 * One finding per write, where a run was read back several times: the first that was wrong, for the fault
 * after which it was found; else the newest.
 */
export function settled(all: readonly ReadBack[]): ReadBack[] {
  const byWrite = new Map<string, ReadBack>();
  for (const found of all) {
    const key = `${found.of ?? ""} ${found.id}`;
    const before = byWrite.get(key);
    if (before === undefined || !isWrong(before)) byWrite.set(key, found);
  }
  return [...byWrite.values()];
}

const isWrong = (found: ReadBack): boolean => isLost(found) || isPhantom(found) || isDuplicate(found);

/** When the fault's baseline began and when it ended, and its number in the run. */
export interface Segment extends Interval {
  readonly round?: number;
}

export const wasDueIn = (time: number, { from, to }: Segment): boolean => time >= from && time < to;

/** A finding belongs to the fault after which it was made; where that is unknown, to the one that it was written in. */
export const isOf = (found: ReadBack, segment: Segment): boolean =>
  found.round === undefined || segment.round === undefined
    ? wasDueIn(found.intended, segment)
    : found.round === segment.round;

/**
 * Acknowledged writes of which nothing is known.
 * @param acknowledged how many were in the segment
 * @param readBack settled findings of its kind, of the whole run
 */
export function countUnverified(
  acknowledged: number,
  readBack: readonly ReadBack[],
  segment: Segment,
): number {
  const own = readBack.filter(({ outcome }) => outcome === "ok");
  const asked = own.filter(({ intended }) => wasDueIn(intended, segment)).length;
  const unreadable = own.filter((write) => write.found === "unreadable" && isOf(write, segment)).length;
  return acknowledged - asked + unreadable;
}

/**
 * Compares the body of a 200 with the value that was written. Understood: the value itself as
 * text, or JSON that is the value, an object with `value`, or a list of those (under `items` or alone).
 */
export function compareBody(body: string, value: string): Pick<ReadBack, "found" | "copies"> {
  const values = valuesIn(body);
  if (values.length === 0) return { found: "absent", copies: 0 };
  return { found: values.every((found) => found === value) ? "same" : "other", copies: values.length };
}

function valuesIn(body: string): string[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    return [body];
  }
  const items = isRecord(parsed) && Array.isArray(parsed["items"]) ? (parsed["items"] as unknown[]) : parsed;
  return (Array.isArray(items) ? items : [items]).map((item: unknown) => {
    const found = isRecord(item) && "value" in item ? item["value"] : item;
    return typeof found === "string" ? found : JSON.stringify(found);
  });
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
