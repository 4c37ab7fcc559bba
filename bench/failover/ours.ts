/** The pair that Holdfast sets up. */
import type { Topology } from "../../src/core/topology/schema.ts";
import { holdsAddress, observeEntry } from "../../src/engines/entry.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { switchOverEntry } from "../../src/run/switchover.ts";
import { quiet } from "./lab.ts";
import type { Prober } from "./prober.ts";
import type { Side } from "./side.ts";

export function oursSide(topology: Topology, machines: readonly LabMachine[], prober: Prober): Side {
  const hosts = new Map(machines.map((machine) => [machine.name, machine]));
  return {
    name: "Holdfast",
    machines,
    prober,
    async holder() {
      const holds = await Promise.all(
        machines.map(
          async (machine) => (await machine.state()) === "running" && holdsAddress(machine, topology),
        ),
      );
      return holds.filter(Boolean).length === 1 ? machines[holds.indexOf(true)] : undefined;
    },
    async lacks() {
      const seen = await Promise.all(machines.map(async (machine) => observeEntry(machine, topology)));
      const roles = seen.map((host) => (host.reachable ? host.keepalived : "unreachable"));
      const units = seen.flatMap((host) => (host.reachable ? Object.values(host.units) : []));
      const whole =
        [...roles].sort().join() === "backup,master" && units.every((state) => state === "active");
      return whole ? null : `${roles.join(", ")}; units ${units.join(", ")}`;
    },
    restore: async () => undefined,
    handOver: async () => void (await switchOverEntry(topology, hosts, quiet)),
    after: async () => undefined,
  };
}
