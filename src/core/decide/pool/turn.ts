import type { Observation, PoolSettings, Watch, ZoneMemory } from "./types.ts";

/** What every part of one turn is decided by. */
export interface Turn {
  readonly settings: PoolSettings;
  readonly now: number;
  /** Time that was watched since the turn before, ms. */
  readonly elapsed: number;
  readonly observed: Observation;
  readonly watches: ReadonlyMap<string, Watch>;
  readonly zones: ReadonlyMap<string, ZoneMemory>;
  /** Hosts that should serve. */
  readonly desired: number;
  readonly room: Observation["room"];
}

/** How many hosts may be on their way out at once. */
export const replaceLimit = ({ settings, desired }: Turn): number =>
  Math.max(1, Math.floor(settings.replaceShare * desired));
