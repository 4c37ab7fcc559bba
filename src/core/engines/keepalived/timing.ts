import type { Topology } from "../../topology/schema.ts";

/**
 * VRRP priority of the nth entry host: 254, 253, ... Close to the top, because the takeover skew is
 * (256 - priority)/256 of the advertisement interval; 255 is the address owner's, which holds it always.
 */
export const priorityOf = (index: number): number => 254 - index;

/** Milliseconds after the last advertisement until every backup has taken over (RFC 5798, 6.1). */
export function masterDownMs(topology: Topology): number {
  const interval = topology.entry.address.advertInterval;
  const lowest = priorityOf(topology.entry.hosts.length - 1);
  return Math.ceil(3 * interval + ((256 - lowest) / 256) * interval);
}

/**
 * Milliseconds from a crash of keepalived to its restart. The address stays on the interface when it
 * crashes, and starting removes it: a little after the peer has taken over, so that no moment is
 * without a holder. Both hosts serve in between.
 */
export const restartDelayMs = (topology: Topology): number => masterDownMs(topology) + 50;
