import { redisNodes, type RedisNode } from "../core/engines/redis/layout.ts";
import { redisPaths, redisUnit } from "../core/engines/redis/paths.ts";
import type { ServiceTopology } from "../core/topology/schema.ts";
import type { Host } from "../ports.ts";
import { observeHost, observeTimeoutMs, outputOf, unitState, type Observed } from "./observed.ts";

export interface RedisStatus {
  /** The Redis processes of this host, in the order of their ports. */
  readonly processes: readonly RedisProcess[];
}

export interface RedisProcess {
  readonly port: number;
  readonly unit: string;
  /** What it says of itself; null when it does not answer. */
  readonly info: RedisInfo | null;
  /** Its view of the cluster; null when it does not answer or is not part of one. */
  readonly cluster: RedisCluster | null;
}

export interface RedisInfo {
  readonly version: string;
  readonly role: "master" | "replica";
  /** "address:port" that a replica follows; null for a master. */
  readonly master: string | null;
  /** A replica is connected to its master. */
  readonly linked: boolean;
}

export interface RedisCluster {
  /** Redis' word: ok or fail. */
  readonly state: string;
  /** Slots that a living node serves, of 16384. */
  readonly slotsServed: number;
  readonly knownNodes: number;
}

/** What the Redis processes on this host do now. Every question is bounded in time. */
export async function observeRedis(host: Host, topology: ServiceTopology): Promise<Observed<RedisStatus>> {
  const nodes = redisNodes(topology).filter((node) => node.host === host.name);
  return observeHost(host, async () => ({
    processes: await Promise.all(nodes.map(async (node) => observeProcess(host, node))),
  }));
}

async function observeProcess(host: Host, { address, port }: RedisNode): Promise<RedisProcess> {
  // A process that accepts connections and does not answer must not hold up the others.
  const seconds = String(observeTimeoutMs / 1000 - 1);
  const client = [redisPaths.client, "-h", address, "-p", String(port)];
  const [unit, said] = await Promise.all([
    unitState(host, redisUnit(port)),
    // Both over one connection. The answers have no field in common; one without a cluster says ERR to the second.
    outputOf(host, ["timeout", seconds, ...client], { stdin: "INFO\nCLUSTER INFO\n" }),
  ]);
  return {
    port,
    unit,
    info: said === null ? null : parseInfo(said),
    cluster: said === null ? null : parseClusterInfo(said),
  };
}

/** Reads `INFO`. */
export function parseInfo(text: string): RedisInfo | null {
  const fields = fieldsOf(text);
  const version = fields.get("redis_version");
  if (version === undefined) return null;
  const replica = fields.get("role") === "slave";
  return {
    version,
    role: replica ? "replica" : "master",
    master: replica ? `${fields.get("master_host")}:${fields.get("master_port")}` : null,
    linked: fields.get("master_link_status") === "up",
  };
}

/** Reads `CLUSTER INFO`. */
export function parseClusterInfo(text: string): RedisCluster | null {
  const fields = fieldsOf(text);
  const state = fields.get("cluster_state");
  if (state === undefined) return null;
  return {
    state,
    slotsServed: Number(fields.get("cluster_slots_ok")),
    knownNodes: Number(fields.get("cluster_known_nodes")),
  };
}

/** Lines "name:value", ended by CR LF; comments start with #. */
function fieldsOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text
      .split(/\r?\n/)
      .map((line) => /^([a-z_0-9]+):(.*)$/.exec(line))
      .filter((match) => match !== null)
      .map(([, name = "", value = ""]) => [name, value]),
  );
}
