import type { Topology } from "../../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../../lib/errors.ts";
import type { Fault } from "../fault.ts";
import { appKill } from "./app-kill.ts";
import { primaryKill } from "./primary-kill.ts";
import { vipHolderPowerOff } from "./vip-holder-power-off.ts";

/** Every fault that a drill can inject, in the order of `holdfast demo`. */
export const faults: readonly Fault[] = [appKill, vipHolderPowerOff, primaryKill];

/** @throws HoldfastError (usage) on an unknown name, or a fault that the topology cannot have */
export function findFault(name: string, topology: Topology): Fault {
  const fault = faults.find((candidate) => candidate.name === name);
  if (fault === undefined) {
    throw new HoldfastError(`there is no fault ${name}`, {
      fix: `the faults are: ${faults.map((candidate) => candidate.name).join(", ")}`,
      exitStatus: ExitStatus.usage,
    });
  }
  const why = fault.applies(topology);
  if (why !== null) {
    throw new HoldfastError(`${name} makes no sense on ${topology.name}: ${why}`, {
      fix: "give the tier another host, or leave this fault out",
      exitStatus: ExitStatus.usage,
    });
  }
  return fault;
}
