import type { ServiceTopology } from "../../topology/schema.ts";
import { addressOf } from "../address.ts";

/** One Redis process. */
export interface RedisNode {
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** Which part of the slots it serves. */
  readonly shard: number;
  /** The role it should have when every host is up. */
  readonly role: "master" | "replica";
}

/**
 * Which process serves what. Cluster: host i holds the master of shard i, host i + 1 its replica, so
 * that no host holds both copies of a shard and no two masters. Single: one process on the first host.
 */
export function redisNodes(topology: ServiceTopology): readonly RedisNode[] {
  const { cache } = topology;
  if (cache === undefined) return [];
  const node = (host: string, port: number, shard: number, role: RedisNode["role"]): RedisNode => ({
    host,
    address: addressOf(topology, host),
    port,
    shard,
    role,
  });
  if (cache.mode === "single")
    return cache.hosts.slice(0, 1).map((host) => node(host, cache.port, 0, "master"));
  const count = cache.hosts.length;
  return cache.hosts.flatMap((host, index) => [
    node(host, cache.port, index, "master"),
    node(host, cache.port + 1, (index + count - 1) % count, "replica"),
  ]);
}

export interface SlotRange {
  readonly first: number;
  readonly last: number;
}

/** The 16384 hash slots of a cluster in `shards` ranges of about the same length. */
export function slotRanges(shards: number): readonly SlotRange[] {
  const bound = (index: number): number => Math.floor((16_384 * index) / shards);
  return Array.from({ length: shards }, (_, index) => ({ first: bound(index), last: bound(index + 1) - 1 }));
}
