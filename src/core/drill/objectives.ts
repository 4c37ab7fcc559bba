/** What the topology promises for a tier, as a drill judges it. */
import type { Topology } from "../topology/schema.ts";
import type { Objectives } from "./judge.ts";

export type DrillTier = "entry" | "app" | "database";

/**
 * Idempotent failures count against the app tier only: the entry retries them on another app host,
 * whereas nobody can retry while the address moves or no primary exists.
 */
export function objectivesOf(topology: Topology, tier: DrillTier): Objectives {
  return {
    recoveryTimeMs: topology.objectives[tier].recoveryTime,
    noDataLoss: topology.objectives.database.dataLoss === "none",
    noIdempotentFailures: tier === "app",
  };
}
