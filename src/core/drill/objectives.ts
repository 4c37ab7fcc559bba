/** What the topology promises for a tier, as a drill judges it. */
import type { Topology } from "../topology/schema.ts";
import type { Objectives } from "./judge.ts";

export type DrillTier = "entry" | "app" | "database" | "coordination" | "cache" | "storage" | "zone";

/**
 * Idempotent failures count against faults of one app host only: the entry retries them on another,
 * whereas nobody can retry while the address moves or no primary exists.
 */
export function objectivesOf(topology: Topology, tier: DrillTier): Objectives {
  return {
    recoveryTimeMs: recoveryTimeOf(topology, tier),
    noDataLoss: topology.objectives.database?.dataLoss === "none",
    noIdempotentFailures: tier === "app" || tier === "storage",
  };
}

function recoveryTimeOf({ objectives }: Topology, tier: DrillTier): number {
  // Tiers that are not there have no faults to be judged.
  const { entry, app = entry, database = entry, cache = app } = objectives;
  const byTier: Readonly<Record<DrillTier, number>> = {
    entry: entry.recoveryTime,
    app: app.recoveryTime,
    storage: app.recoveryTime, // on one app host: the others serve
    database: database.recoveryTime,
    coordination: database.recoveryTime, // serves nobody but the database
    cache: cache.recoveryTime,
    zone: Math.max(entry.recoveryTime, app.recoveryTime, database.recoveryTime), // a host of every tier
  };
  return byTier[tier];
}
