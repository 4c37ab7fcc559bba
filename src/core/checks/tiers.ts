/** The tiers of a topology as the rules see them: hosts, zones, and how many may be lost. */
import { tierNames, type TierName } from "../topology/sections.ts";
import type { Topology } from "../topology/schema.ts";

export interface Tier {
  readonly name: TierName;
  readonly hosts: readonly string[];
  /** Whether the tier serves when only these of its hosts are left. */
  readonly serves: (left: number) => boolean;
}

export function tiers(topology: Topology): Tier[] {
  return tierNames.flatMap((name) => {
    const section = topology[name];
    if (section === undefined) return [];
    const { hosts } = section;
    // etcd and Redis Cluster (its masters vote) need a majority; the others one host.
    const quorum =
      name === "coordination" || (name === "cache" && topology.cache?.mode === "cluster")
        ? Math.floor(hosts.length / 2) + 1
        : 1;
    return [{ name, hosts, serves: (left: number) => left >= quorum }];
  });
}

export const zoneOf = (topology: Topology, host: string): string => topology.hosts[host]?.zone ?? "";

/** Seconds with at most two decimals: 1500 -> "1.5 s", 150 -> "150 ms". */
export const seconds = (ms: number): string =>
  ms < 1000 ? `${ms} ms` : `${Number((ms / 1000).toFixed(2))} s`;

/** Bytes in MiB or GiB: "512 MiB", "1.5 GiB". */
export function bytes(size: number): string {
  const gib = size / 1024 ** 3;
  return gib >= 1 ? `${Number(gib.toFixed(1))} GiB` : `${Math.round(size / 1024 ** 2)} MiB`;
}
