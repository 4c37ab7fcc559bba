/** The witness lease of an Elastic IP: where a topology has etcd, it says which of two VRRP masters counts. */
import { isService, type Topology } from "../../topology/schema.ts";
import { tlsPaths } from "../tls.ts";
import type { AgentConfigFile } from "./config.ts";
import { etcdEndpoints } from "./etcd.ts";

/** Longer than a change of etcd's leader takes, with the settings that Holdfast gives it (about 1 s). */
const TTL_SECONDS = 3;

type AddressSection = NonNullable<AgentConfigFile["address"]>;

/** Whether the entry hosts' agents ask etcd. */
export const hasWitness = (topology: Topology): boolean =>
  topology.entry.address.kind === "elastic-ip" && isService(topology);

/** Empty where there is nobody to ask. */
export function witness(topology: Topology, host: string): Pick<AddressSection, "witness"> {
  const { address } = topology.entry;
  if (address.kind !== "elastic-ip" || !isService(topology)) return {};
  const { ca, certificate, key } = tlsPaths("agent");
  return {
    witness: {
      self: host,
      endpoints: etcdEndpoints(topology, host),
      ca,
      certificate,
      key,
      leaseKey: `/holdfast-address/${topology.name}/witness`,
      ttlSeconds: TTL_SECONDS,
      required: address.witness === "required",
    },
  };
}
