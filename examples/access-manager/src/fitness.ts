/**
 * Should this node get traffic? Pure.
 *
 * The database and the audit trail are shared: when one of them is away it is usually away for every
 * node, for the seconds of a failover or for longer. A status that failed then would empty the pool and
 * turn a degraded service (reads from cache, writes that wait) into none. So a shared thing takes this
 * node out only when it has failed *here* for longer than a failover's first seconds *and* another node
 * says that it has it: then traffic is better off there.
 */

export const sharedThings = ["database", "trail"] as const;
export type SharedThing = (typeof sharedThings)[number];

/** A failover is noticed by everybody within seconds; before that nodes may disagree for no lasting reason. */
export const GRACE_MS: Readonly<Record<SharedThing, number>> = {
  database: 6_000, // three version checks
  trail: 3_000, // a restart of the trail-store takes under one second
};

export interface FitnessInput {
  readonly draining: boolean;
  /** Without a first load of the roles there is nothing to serve. */
  readonly cacheLoaded: boolean;
  /** How long ago this node last had the use of it, in ms. */
  readonly ageMs: Readonly<Record<SharedThing, number>>;
  /** What another node said lately: it has the use of it. */
  readonly peerHas: Readonly<Record<SharedThing, boolean>>;
}

export interface Fitness {
  readonly fit: boolean;
  readonly state: "ok" | "degraded" | "unfit" | "starting" | "draining";
  readonly checks: Readonly<Record<SharedThing, boolean>>;
}

/** What has failed here for longer than its grace: peers are to be asked. */
export function failing(ageMs: FitnessInput["ageMs"]): readonly SharedThing[] {
  return sharedThings.filter((thing) => ageMs[thing] > GRACE_MS[thing]);
}

export function fitness(input: FitnessInput): Fitness {
  const bad = failing(input.ageMs);
  const checks = { database: !bad.includes("database"), trail: !bad.includes("trail") };
  if (input.draining) return { fit: false, state: "draining", checks };
  if (!input.cacheLoaded) return { fit: false, state: "starting", checks };
  if (bad.some((thing) => input.peerHas[thing])) return { fit: false, state: "unfit", checks };
  return { fit: true, state: bad.length === 0 ? "ok" : "degraded", checks };
}
