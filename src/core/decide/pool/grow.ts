import type { Judged } from "./judge.ts";
import { replaceLimit, type Turn } from "./turn.ts";
import type { Member, PoolAction, PoolMemory } from "./types.ts";
import { countIn, emptiest, lopsided } from "./zones.ts";

export interface Grown {
  readonly actions: readonly PoolAction[];
  readonly makes: PoolMemory["makes"];
  /** Hosts that the pool needs and does not have. */
  readonly wanted: number;
  /** Standbys that no place waits for. */
  readonly standbySurplus: number;
  /** No zone has room for another machine. */
  readonly full: boolean;
  /** There are so many machines, dead ones among them, that no more may be made. */
  readonly crowded: boolean;
}

/** Puts ready standbys into service and has more of them made, so that what is lost is replaced before it goes. */
export function fill(turn: Turn, judged: Judged, memory: PoolMemory): Grown {
  const { settings, desired, room } = turn;
  const { serving, kept, ready, booting } = judged;
  // Most of the pool is sick: no time to change images.
  const staying = kept.length + (judged.mass ? judged.outdated.length : 0);
  const wanted = Math.max(0, desired - staying);
  const short = Math.max(0, desired - serving.length);
  const joiners = Math.min(
    wanted,
    short + Math.max(replaceLimit(turn), settings.min - kept.length - judged.outdated.length),
  );
  const calm = wanted === 0 && serving.length === desired;
  const light = calm ? lopsided(settings, turn.zones, room, kept, [...ready, ...booting]) : [];

  const admitted = admit(judged, joiners, light);
  const standbys = [...ready, ...booting];
  const isLopsided = light.length > 0;
  const needed = joiners + (isLopsided ? 1 : 0) + settings.spares;
  const have = standbys.length;
  // One that waits in a full zone spreads nothing.
  const misplaced = isLopsided && !standbys.some(({ zone }) => light.includes(zone));
  const missing = Math.max(needed - have, misplaced ? 1 : 0);
  const { zones, makes } = places(turn, judged, memory, missing);
  return {
    actions: [
      ...admitted.map(({ id }): PoolAction => ({ kind: "serve", id })),
      ...zones.map((zone): PoolAction => ({ kind: "reserve", zone })),
    ],
    makes,
    wanted,
    standbySurplus: isLopsided ? 0 : have - needed,
    crowded: left(turn) <= 0,
    full: settings.zones.every((zone) => (room[zone] ?? 0) <= 0),
  };
}

/** Who serves from now on: those first whose zone has fewest. */
function admit(judged: Judged, joiners: number, light: readonly string[]): Member[] {
  const present = [...judged.kept];
  const waiting = [...judged.ready];
  const admitted: Member[] = [];
  const take = (candidates: readonly Member[]): boolean => {
    const [first, ...rest] = candidates;
    if (first === undefined) return false;
    const load = (member: Member): number => countIn(present, member.zone);
    const next = rest.reduce((best, member) => (load(member) < load(best) ? member : best), first);
    present.push(next);
    waiting.splice(waiting.indexOf(next), 1);
    admitted.push(next);
    return true;
  };
  while (admitted.length < joiners && take(waiting));
  if (joiners === 0) take(waiting.filter(({ zone }) => light.includes(zone)));
  return admitted;
}

/** Even if nothing that was lost can be removed, there is an end to adding. */
function left({ settings, observed }: Turn): number {
  const { members, orphans } = observed;
  const there = members.filter(({ role, machine }) => role !== "draining" || machine !== "absent").length;
  return 2 * settings.max + settings.spares - there - orphans.length;
}

/** Where `count` more standbys are made, as far as room, limits and failures allow it now. */
function places(
  turn: Turn,
  judged: Judged,
  memory: PoolMemory,
  count: number,
): { readonly zones: readonly string[]; readonly makes: PoolMemory["makes"] } {
  const { settings, now } = turn;
  const { capacity, refillMs } = settings.makes;
  let tokens = Math.min(capacity, memory.makes.tokens + (now - memory.makes.at) / refillMs);
  let allowed = left(turn);
  const room = { ...turn.room };
  const present = [...judged.kept, ...judged.ready, ...judged.booting].map(({ zone }) => zone);
  const pending = judged.booting.map(({ zone }) => zone);
  const zones: string[] = [];
  while (zones.length < count && tokens >= 1 && allowed > 0) {
    const zone = emptiest(settings, turn.zones, room, { present, pending }, now);
    if (zone === undefined) break;
    zones.push(zone);
    present.push(zone);
    pending.push(zone);
    room[zone] = (room[zone] ?? 0) - 1;
    tokens--;
    allowed--;
  }
  return { zones, makes: { tokens, at: now } };
}
