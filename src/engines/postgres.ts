import { addressOf } from "../core/engines/address.ts";
import { agentPort } from "../core/engines/agent/database.ts";
import { leaseReportSchema, type LeaseReport } from "../core/engines/agent/report.ts";
import { restPort } from "../core/engines/postgres/paths.ts";
import { tlsPaths } from "../core/engines/tls.ts";
import type { ServiceTopology } from "../core/topology/schema.ts";
import type { Host } from "../ports.ts";
import { observeHost, outputOf, unitState, type Observed } from "./observed.ts";

export interface PostgresStatus {
  /** Of patroni.service. */
  readonly unit: string;
  /** Versions of Patroni ("4.1.5") and of the running PostgreSQL ("15.6"); null when they do not say. */
  readonly versions: { readonly patroni: string | null; readonly postgres: string | null };
  /** The cluster as this host's Patroni sees it; null when Patroni does not answer. */
  readonly cluster: PatroniCluster | null;
  /** What the host's agent says of fast failover; null when it does not answer. */
  readonly failover: LeaseReport | null;
}

export interface PatroniCluster {
  /** Automatic failover is off until an operator resumes it. */
  readonly paused: boolean;
  readonly members: readonly PatroniMember[];
}

export interface PatroniMember {
  readonly name: string;
  /** Patroni's word: leader, replica, sync_standby, quorum_standby, ... */
  readonly role: string;
  /** Patroni's word: running, streaming, starting, stopped, crashed, ... */
  readonly state: string;
  readonly timeline: number | null;
  /** Bytes that a replica has not replayed yet; null for the leader and when nobody knows. */
  readonly lag: number | null;
  /** It must restart to use its settings. */
  readonly pendingRestart: boolean;
}

/** What Patroni and PostgreSQL on this host do now. Every question is bounded in time. */
export async function observePostgres(
  host: Host,
  topology: ServiceTopology,
): Promise<Observed<PostgresStatus>> {
  const base = `https://${addressOf(topology, host.name)}:${restPort}`;
  // No --fail: /patroni answers 503 with all it knows while PostgreSQL is down.
  const ask = (path: string): Promise<string | null> =>
    outputOf(host, ["curl", "-sS", "--max-time", "3", "--cacert", tlsPaths("postgres").ca, base + path]);
  return observeHost(host, async () => {
    const [unit, self, cluster, agent] = await Promise.all([
      unitState(host, "patroni.service"),
      ask("/patroni"),
      ask("/cluster"),
      outputOf(host, ["curl", "-sS", "--max-time", "3", agentStatusUrl(topology, host.name)]),
    ]);
    return {
      unit,
      versions: parseVersions(self),
      cluster: cluster === null ? null : parseCluster(cluster),
      failover: leaseReportSchema.safeParse(parseJson(agent)).data ?? null,
    };
  });
}

const agentStatusUrl = (topology: ServiceTopology, host: string): string =>
  `http://${addressOf(topology, host)}:${agentPort}/status`;

interface PatroniSelf {
  readonly server_version?: number;
  readonly patroni?: { readonly version?: string };
}

/** Reads GET /patroni. PostgreSQL tells its version as a number: 150006 is 15.6. */
export function parseVersions(text: string | null): PostgresStatus["versions"] {
  const self = parseJson(text) as PatroniSelf | null;
  const number = self?.server_version;
  return {
    patroni: self?.patroni?.version ?? null,
    postgres: number === undefined ? null : `${Math.floor(number / 10_000)}.${number % 10_000}`,
  };
}

interface ClusterJson {
  readonly pause?: boolean;
  readonly members?: readonly {
    readonly name: string;
    readonly role: string;
    readonly state: string;
    readonly timeline?: number;
    readonly lag?: number | string; // "unknown" when nobody knows
    readonly pending_restart?: boolean;
  }[];
}

/** Reads GET /cluster; null when it is not the answer of a working Patroni. */
export function parseCluster(text: string): PatroniCluster | null {
  const json = parseJson(text) as ClusterJson | null;
  if (json?.members === undefined) return null;
  return {
    paused: json.pause === true,
    members: json.members.map((member) => ({
      name: member.name,
      role: member.role,
      state: member.state,
      timeline: member.timeline ?? null,
      lag: typeof member.lag === "number" ? member.lag : null,
      pendingRestart: member.pending_restart === true,
    })),
  };
}

function parseJson(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
