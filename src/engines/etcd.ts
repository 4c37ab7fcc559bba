import { addressOf } from "../core/engines/address.ts";
import { etcdPaths } from "../core/engines/etcd/render.ts";
import type { ServiceTopology } from "../core/topology/schema.ts";
import type { Host } from "../ports.ts";
import { observeHost, outputOf, unitState, type Observed } from "./observed.ts";

export interface EtcdStatus {
  readonly unit: string;
  /** A linearizable read through this member works: it is connected to a quorum. */
  readonly healthy: boolean;
  /** What the member says of itself; null when it does not answer. */
  readonly member: EtcdMember | null;
}

export interface EtcdMember {
  /** Hexadecimal, as etcd prints it. */
  readonly id: string;
  readonly version: string;
  /** As etcd prints it: "20 kB". */
  readonly databaseSize: string;
  readonly leader: boolean;
  readonly term: number;
}

/** What the etcd member on this host does now. Every question is bounded in time. */
export async function observeEtcd(host: Host, topology: ServiceTopology): Promise<Observed<EtcdStatus>> {
  const endpoint = `--endpoints=https://${addressOf(topology, host.name)}:2379`;
  const ask = (question: string): Promise<string | null> =>
    outputOf(host, [
      etcdPaths.client,
      endpoint,
      "--dial-timeout=1s",
      "--command-timeout=2s",
      "endpoint",
      question,
    ]);
  return observeHost(host, async () => {
    const [unit, health, status] = await Promise.all([
      unitState(host, "etcd.service"),
      ask("health"),
      ask("status"),
    ]);
    return { unit, healthy: health !== null, member: status === null ? null : parseEndpointStatus(status) };
  });
}

/**
 * Reads one line of `etcdctl endpoint status`: endpoint, id, version, size, leader, learner, term, ...
 * (The JSON form has ids as numbers that do not fit JavaScript's.)
 */
export function parseEndpointStatus(text: string): EtcdMember | null {
  const [, id, version, databaseSize, leader, , term] = text.trim().split(", ");
  if (!id || !version || !databaseSize) return null;
  return { id, version, databaseSize, leader: leader === "true", term: Number(term) };
}
