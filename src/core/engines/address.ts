import { everyHost } from "../topology/pool.ts";
import type { Topology } from "../topology/schema.ts";

/** Address of a host that the topology names. @throws Error on an unknown name, which the parser refuses. */
export function addressOf(topology: Topology, host: string): string {
  const found = everyHost(topology)[host];
  if (found === undefined) throw new Error(`host ${host} is not in the topology`);
  return found.address;
}
