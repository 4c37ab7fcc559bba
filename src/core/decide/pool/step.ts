import { alarmsOf } from "./alarms.ts";
import { judge, watch } from "./judge.ts";
import { finish, removeOrphans, watchOrphans } from "./lifecycle.ts";
import { dismiss } from "./shrink.ts";
import { fill } from "./grow.ts";
import { track, untracked } from "./track.ts";
import type { Turn } from "./turn.ts";
import type { Observation, PoolMemory, PoolSettings, PoolStep } from "./types.ts";
import { zoneMemories } from "./zones.ts";

/** A controller that knows nothing yet: all that matters is in what it will see. */
export function initialMemory(settings: PoolSettings, now: number): PoolMemory {
  return {
    at: now,
    watches: new Map(),
    orphans: new Map(),
    zones: new Map(),
    tracking: untracked(-1),
    surplusMs: 0,
    standbySurplusMs: 0,
    makes: { tokens: settings.makes.capacity, at: now },
  };
}

/**
 * One turn: from what is there to what should change now. Everything is a level: what was asked for and did
 * not happen is asked for again, and what happened meanwhile is not.
 * @param now milliseconds of the clock that `observed.at` was taken from
 */
export function step(
  settings: PoolSettings,
  memory: PoolMemory,
  observed: Observation,
  now: number,
): PoolStep {
  const validUntil = observed.at + settings.freshMs;
  if (now >= validUntil) {
    return { memory, actions: [], validUntil, alarms: ["what was seen of the pool is too old to act upon"] };
  }
  const elapsed = Math.max(0, Math.min(now - memory.at, 3 * settings.turnMs));
  const { members, room } = observed;
  const watches = watch(settings, memory.watches, members, elapsed);
  const zones = zoneMemories(settings, memory.zones, members, [memory.watches, watches], now);
  const { tracking, desired } = track(settings, memory.tracking, observed, now);
  const turn: Turn = { settings, now, elapsed, observed, watches, zones, desired, room };
  const judged = judge(settings, members, watches, desired);
  const grown = fill(turn, judged, memory);
  const shrunk = dismiss(turn, judged, memory, grown);
  const orphans = watchOrphans(memory.orphans, observed, elapsed);
  const resize =
    desired === observed.desired ? [] : [{ kind: "resize" as const, from: observed.desired, to: desired }];
  return {
    memory: {
      at: now,
      watches,
      orphans,
      zones,
      tracking,
      surplusMs: shrunk.surplusMs,
      standbySurplusMs: shrunk.standbySurplusMs,
      makes: grown.makes,
    },
    actions: [
      ...resize,
      ...finish(turn),
      ...grown.actions,
      ...shrunk.actions,
      ...removeOrphans(turn, orphans),
    ],
    validUntil,
    alarms: alarmsOf(turn, judged, grown),
  };
}
