import { judgeBackups, type BackupState } from "../../core/backup/health.ts";
import type { Topology } from "../../core/topology/schema.ts";
import type { ServiceVerdict, TierStatus } from "./judge.ts";

/** The backups as one more tier. Clients are served without them: without one the service is degraded, not down. */
export function withBackups(
  service: ServiceVerdict,
  state: BackupState | null,
  { backup }: Topology,
): ServiceVerdict {
  if (state === null || backup === undefined) return service;
  const { summary, risks, usable } = judgeBackups(state, backup.schedule);
  const verdict = usable ? (risks.length === 0 ? "up" : "degraded") : "down";
  const tier: TierStatus = { tier: "backup", verdict, summary, risks };
  return {
    verdict: service.verdict === "up" && verdict !== "up" ? "degraded" : service.verdict,
    tiers: [...service.tiers, tier],
  };
}
