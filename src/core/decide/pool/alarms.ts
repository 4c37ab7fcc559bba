import type { Grown } from "./grow.ts";
import type { Judged } from "./judge.ts";
import type { Turn } from "./turn.ts";

/** A judge that contradicts the other for so long is told: one of them is sick. */
const DISPUTE_MS = 30_000;
const FAILURES = 3;

export function alarmsOf(turn: Turn, judged: Judged, grown: Grown): string[] {
  const { settings, watches, zones, observed } = turn;
  const alarms: string[] = [];
  if (judged.mass) {
    alarms.push("most of the pool is sick at once: nothing is removed until that has passed");
  }
  if (judged.well < settings.min) alarms.push(`${judged.well} hosts serve, fewer than ${settings.min}`);
  for (const { id, entry } of judged.serving) {
    if ((watches.get(id)?.disputedMs ?? 0) < DISPUTE_MS) continue;
    alarms.push(
      entry === "down"
        ? `${id}: the entry calls it down, its own monitor well`
        : `${id}: its own monitor calls it sick, the entry up`,
    );
  }
  for (const [zone, { failures }] of zones) {
    if (failures >= FAILURES) alarms.push(`zone ${zone}: ${failures} boots failed in a row`);
  }
  if (grown.wanted > 0 && grown.full) alarms.push("no zone has room for the hosts that are missing");
  if (observed.members.length === 0 && observed.orphans.length > 0) {
    alarms.push("there are machines and no records: the records may be lost, so no machine is removed");
  }
  return alarms;
}
