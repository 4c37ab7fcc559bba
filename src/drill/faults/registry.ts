import type { Topology } from "../../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../../lib/errors.ts";
import type { Fault } from "../fault.ts";
import { appFaults } from "./app.ts";
import { cacheFaults } from "./cache.ts";
import { coordinationFaults } from "./coordination.ts";
import { databaseFaults } from "./database.ts";
import { entryFaults } from "./entry.ts";
import { upgradeFaults } from "./upgrade.ts";
import { storageFaults } from "./storage.ts";
import { wholeFaults } from "./whole.ts";

/** Every fault that a drill can inject, tier by tier. */
export const faults: readonly Fault[] = [
  ...appFaults,
  ...upgradeFaults,
  ...entryFaults,
  ...databaseFaults,
  ...coordinationFaults,
  ...cacheFaults,
  ...storageFaults,
  ...wholeFaults,
];

/** @throws HoldfastError (usage) on an unknown name */
export function faultNamed(name: string): Fault {
  const fault = faults.find((candidate) => candidate.name === name);
  if (fault !== undefined) return fault;
  throw new HoldfastError(`there is no fault ${name}`, {
    fix: `the faults are: ${faults.map((candidate) => candidate.name).join(", ")}`,
    exitStatus: ExitStatus.usage,
  });
}

/** @throws HoldfastError (usage) on an unknown name, or a fault that the topology cannot have */
export function findFault(name: string, topology: Topology): Fault {
  const fault = faultNamed(name);
  const why = fault.applies(topology);
  if (why === null) return fault;
  throw new HoldfastError(`${name} makes no sense on ${topology.name}: ${why}`, {
    fix: "give the tier another host, or leave this fault out",
    exitStatus: ExitStatus.usage,
  });
}
