import type { Member, PoolSettings, Watch, ZoneMemory } from "./types.ts";

const untroubled: ZoneMemory = { failures: 0, until: 0 };

export const countIn = (members: readonly Member[], zone: string): number =>
  members.reduce((count, member) => count + (member.zone === zone ? 1 : 0), 0);

/**
 * How each zone has done: boots that failed there count until one succeeds, or none was tried for long.
 * `before` and `after`: the watches of the last turn and of this one, so that each boot counts once.
 */
export function zoneMemories(
  settings: PoolSettings,
  last: ReadonlyMap<string, ZoneMemory>,
  members: readonly Member[],
  [before, after]: readonly [ReadonlyMap<string, Watch>, ReadonlyMap<string, Watch>],
  now: number,
): Map<string, ZoneMemory> {
  const { firstMs, maxMs, forgetMs } = settings.backoff;
  const memories = new Map<string, ZoneMemory>();
  for (const zone of settings.zones) {
    const { failures, until } = last.get(zone) ?? untroubled;
    memories.set(zone, now >= until + forgetMs ? untroubled : { failures, until });
  }
  for (const { id, zone, role } of members) {
    const was = before.get(id);
    const is = after.get(id);
    const { failures } = memories.get(zone) ?? untroubled;
    if (is?.failed === true && was?.failed !== true) {
      const until = now + Math.min(maxMs, firstMs * 2 ** failures);
      memories.set(zone, { failures: failures + 1, until });
    } else if (role === "standby" && is?.unreadyMs === 0 && (was?.unreadyMs ?? 0) > 0) {
      memories.set(zone, untroubled);
    }
  }
  return memories;
}

/**
 * Where the next host goes: to a zone without failures before others, then to where fewest are. A zone whose
 * last boot failed is tried with one host at a time.
 * @param present where the hosts are that stay; `pending`: where some are being made
 * @returns undefined when no zone has room, or all are left alone for now
 */
export function emptiest(
  { zones }: PoolSettings,
  memories: ReadonlyMap<string, ZoneMemory>,
  room: Readonly<Record<string, number>>,
  { present, pending }: { readonly present: readonly string[]; readonly pending: readonly string[] },
  now: number,
): string | undefined {
  let best: { zone: string; failures: number; count: number } | undefined;
  for (const zone of zones) {
    const { failures, until } = memories.get(zone) ?? untroubled;
    if ((room[zone] ?? 0) <= 0 || now < until) continue;
    if (failures > 0 && pending.includes(zone)) continue;
    let count = 0;
    for (const other of present) if (other === zone) count++;
    if (
      best === undefined ||
      failures < best.failures ||
      (failures === best.failures && count < best.count)
    ) {
      best = { zone, failures, count };
    }
  }
  return best?.zone;
}

/**
 * Zones that have two hosts fewer than the fullest and could have one of its: losing that one would cost too much.
 * Where all of the fullest are protected, none: what would come could not make another go.
 */
export function lopsided(
  { zones }: PoolSettings,
  memories: ReadonlyMap<string, ZoneMemory>,
  room: Readonly<Record<string, number>>,
  kept: readonly Member[],
  standbys: readonly Member[],
): string[] {
  const most = Math.max(0, ...zones.map((zone) => countIn(kept, zone)));
  const movable = kept.some((member) => !member.protected && countIn(kept, member.zone) === most);
  if (most < 2 || !movable) return [];
  return zones.filter(
    (zone) =>
      countIn(kept, zone) <= most - 2 &&
      (memories.get(zone)?.failures ?? 0) === 0 &&
      ((room[zone] ?? 0) > 0 || countIn(standbys, zone) > 0),
  );
}
