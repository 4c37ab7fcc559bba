/**
 * For a host whose agent is dead and stays dead: its gate, which the kernel closed, is taken away, and plain
 * Patroni serves at its own speed. Run by holdfast-gate-release.timer while a gate has no agent.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { rules } from "../../core/decide/lease/rules.ts";
import { leaseSettings } from "../../core/decide/lease/settings.ts";
import type { LeaseSettings, LeaseState } from "../../core/decide/lease/types.ts";
import type { DatabaseConfig } from "../../core/engines/agent/config.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Reporter } from "../../ports.ts";
import type { Etcd } from "./etcd.ts";
import type { Gate } from "./gate.ts";
import type { ProbeAnswer } from "./postgres.ts";

export interface ReleaseParts {
  readonly gate: Pick<Gate, "remove">;
  readonly etcd: Pick<Etcd, "read" | "writeRecord">;
  /** What PostgreSQL here is now; null when it does not say. */
  readonly probe: () => Promise<ProbeAnswer | null>;
  /** Whether this host's agent answers. */
  readonly agentLives: () => Promise<boolean>;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  readonly intervalMs?: number;
  /** How long the agent must have been silent without a break, ms. */
  readonly silentMs?: number;
}

/**
 * Waits until the agent has been silent for `releaseMs`, and then for etcd and PostgreSQL to agree that this
 * host may serve: as the leader whose lease nobody fenced, or following one. First the record says so, by
 * compare-and-set against a fence that is being written; then the gate goes.
 * @returns whether it went; false when the agent came back
 */
export async function releaseGate(config: DatabaseConfig, parts: ReleaseParts): Promise<boolean> {
  const settings = leaseSettings(
    config.self,
    config.members.filter(({ data }) => data).map(({ name }) => name),
    config.members.map(({ name }) => name),
  );
  const { intervalMs = 1000, silentMs = settings.releaseMs, reporter, signal } = parts;
  const silentSince = performance.now();
  let lastProblem = "";
  while (!signal.aborted && !(await parts.agentLives())) {
    if (performance.now() >= silentSince + silentMs) {
      const problem = await attempt(config, settings, parts);
      if (problem === null) return true;
      if (problem !== lastProblem) reporter.warn(`database: the gate stays closed: ${problem}`);
      lastProblem = problem;
    }
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
  return false;
}

/** @returns null when the gate is gone, or why it is not */
async function attempt(
  { self, members }: DatabaseConfig,
  settings: LeaseSettings,
  { gate, etcd, probe, reporter }: ReleaseParts,
): Promise<string | null> {
  const begunAt = performance.now();
  try {
    const view = await etcd.read();
    const readAt = performance.now();
    // Afterwards: a replica must still follow who leads.
    const postgres = await probe();
    if (postgres === null) return "PostgreSQL does not answer";
    const upstream = members.find(({ address }) => address === postgres.upstream)?.name ?? null;
    const state = {
      postgres: { status: postgres.status, upstream, begunAt: readAt, silent: 0 },
      view: { begunAt, endedAt: readAt, etcd: view },
    };
    if (!rules.mayServe(settings, state as unknown as LeaseState, begunAt))
      return "it neither leads unfenced nor follows who leads";
    const lease = view.leader?.host === self ? view.leader.lease : null;
    const written = await etcd.writeRecord({
      host: self,
      record: { state: "unarmed", lease },
      revision: view.records[self]?.revision ?? "0",
      leaderLease: lease,
    });
    if (written === null) return "its record changed meanwhile";
    await gate.remove();
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return error.message;
  }
  reporter.warn(`database: no agent on ${self}: its gate is gone, failover is Patroni's own`);
  return null;
}
