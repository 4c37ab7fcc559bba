import type { Topology } from "../core/topology/schema.ts";
import type { RenderContext } from "../core/engines/engine.ts";
import { allocationId, apiUrl } from "../hosts/lab/ec2/identifiers.ts";
import { openLab } from "../hosts/lab/lab.ts";
import { clientCable } from "../hosts/lab/network.ts";
import type { Host, Machine, Reporter } from "../ports.ts";

/** The topology's Elastic IP: the lab's own, at the lab's endpoint. */
export const elasticIpOf = ({ name, entry }: Topology): RenderContext["elasticIp"] =>
  entry.address.kind === "vip" ? null : { allocationId: allocationId(name, "entry"), endpoint: apiUrl };

/** Where a topology's hosts live, opened: nothing is made or changed by opening. */
export interface Provider {
  /** Hosts that exist (they may be off). */
  readonly hosts: ReadonlyMap<string, Host>;
  /** The same hosts where we hold their power and cables. */
  readonly machines: readonly Machine[];
  /** Network namespace from which a client reaches the hosts. */
  readonly clientNamespace: string;
  /** Its cable, to be pulled in drills. */
  readonly clients: ReturnType<typeof clientCable>;
}

export async function openProvider(topology: Topology, home: string, reporter: Reporter): Promise<Provider> {
  const { machines, clientNamespace } = await openLab({ home, name: topology.name, reporter });
  return {
    machines,
    clientNamespace,
    clients: clientCable(topology.name),
    hosts: new Map(machines.map((machine): [string, Host] => [machine.name, machine])),
  };
}
