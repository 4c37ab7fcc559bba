/** What an agent tells `holdfast status` about the lease. */
import { z } from "zod";
import type { LeaseSettings, LeaseState } from "../../decide/lease/types.ts";

export const leaseReportSchema = z.object({
  /** `armed`: fast failover; `plain`: Patroni alone, at its own speed. */
  mode: z.enum(["armed", "plain", "witness"]),
  /** Whether the kernel lets clients in here now. */
  open: z.boolean(),
  postgres: z.string(),
  /** Members heard a moment ago, this host included. */
  heard: z.array(z.string()),
  /** Members that a majority called dead. */
  dead: z.array(z.string()),
});
export type LeaseReport = z.output<typeof leaseReportSchema>;

export function leaseReport(settings: LeaseSettings, state: LeaseState, now: number): LeaseReport {
  const { gate, peers, postgres } = state;
  const open = gate.admitted && gate.openUntil !== null && now < gate.openUntil;
  const heard = peers.filter(({ heardAt }) => heardAt !== null && now < heardAt + settings.grantMs);
  const dead = peers.filter(({ deadBy }) => deadBy !== null);
  const data = settings.dataHosts.includes(settings.self);
  return {
    mode: data ? (gate.armed ? "armed" : "plain") : "witness",
    open: data && (open || !gate.armed),
    postgres: data ? postgres.status : "none",
    heard: [settings.self, ...heard.map(({ name }) => name)].sort(),
    dead: dead.map(({ name }) => name).sort(),
  };
}
