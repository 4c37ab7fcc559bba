import type { ServiceTopology } from "../../topology/schema.ts";
import { addressOf } from "../address.ts";

const clientPort = 2379;

/** The members, this host's own first: it answers when nothing but its quorum does. */
export const etcdEndpoints = (topology: ServiceTopology, host: string): string[] =>
  topology.coordination.hosts
    .toSorted((one, other) => Number(other === host) - Number(one === host))
    .map((member) => `https://${addressOf(topology, member)}:${clientPort}`);
