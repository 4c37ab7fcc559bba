/** What a fault is. `faults/` has them, one file per tier; `faults/registry.ts` lists them. */
import type { Objectives } from "../core/drill/judge.ts";
import type { DrillTier } from "../core/drill/objectives.ts";
import { isService, type ServiceTopology, type Topology } from "../core/topology/schema.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Machine } from "../ports.ts";
import type { UpgradeResult } from "../run/upgrade/operate.ts";
import type { DeadMan } from "./deadman.ts";

/** The cable that all clients share. */
export type ClientCable = Pick<Machine, "cutLink" | "restoreLink"> & { linkIsUp(): Promise<boolean> };

export interface FaultContext<T extends Topology = Topology> {
  readonly topology: T;
  readonly machines: readonly Machine[];
  /** The cable that all clients share; null where we do not hold it. */
  readonly clients: ClientCable | null;
  /** Undoes, should this process die, what no host can undo by itself. */
  readonly deadMan: DeadMan;
  /** Issues a new certificate for the entry and puts it to use, as `holdfast up` does near the old one's end. */
  readonly renewEntryCertificate: () => Promise<void>;
  /** Takes the app to another release, as `holdfast upgrade` does; null when the operator named no package. */
  readonly upgrade: (() => Promise<UpgradeResult>) | null;
}

export interface Fault {
  /** As typed: `holdfast drill <name>`. */
  readonly name: string;
  /** Whose objectives it is judged against. */
  readonly tier: DrillTier;
  /** What happens, in a few words. */
  readonly title: string;
  /** What a pass shows, in one sentence. */
  readonly proves: string;
  /** Where the tier's objectives are not what was promised for this fault. */
  readonly objectives?: Partial<Objectives>;
  /** Stays at least so long, ms: what it wears out (a lease, a grace) ends later. */
  readonly holdMs?: number;
  /** Nobody can be served while it lasts: it is held for a moment only, and recovery counts from healing. */
  readonly total?: true;
  /** Healed at once instead of when clients are served again. */
  readonly healAtOnce?: true;
  /** Null, or why the topology cannot have this fault. */
  applies(topology: Topology): string | null;
  /** Null, or why these machines cannot have it: probed, not assumed. Absent: all can. */
  capability?(context: FaultContext): Promise<string | null>;
  /** Chooses the target and records what the proof needs; changes nothing. */
  prepare(context: FaultContext): Promise<Attack>;
}

/** The same, where there is a service behind the entry. */
export type ServiceFaultContext = FaultContext<ServiceTopology>;

type ServiceFault = Omit<Fault, "applies" | "capability" | "prepare"> & {
  readonly applies: (topology: ServiceTopology) => string | null;
  readonly capability?: (context: ServiceFaultContext) => Promise<string | null>;
  readonly prepare: (context: ServiceFaultContext) => Promise<Attack>;
};

/** A fault of what stands behind the entry: no entry that stands alone can have it. */
export function serviceFault(inner: ServiceFault): Fault {
  const { applies: _applies, capability, prepare: _prepare, ...fault } = inner;
  return {
    ...fault,
    applies: (topology) =>
      isService(topology)
        ? inner.applies(topology)
        : "the topology is an entry alone: nothing stands behind it",
    ...(capability === undefined ? {} : { capability: (context) => capability(ofService(context)) }),
    prepare: (context) => inner.prepare(ofService(context)),
  };
}

/** @throws Error when there is none: `applies` has refused such a topology before. */
export function ofService(context: FaultContext): ServiceFaultContext {
  const { topology } = context;
  if (!isService(topology)) throw new Error(`${topology.name} has no service behind its entry`);
  return { ...context, topology };
}

export interface Proof {
  readonly tookEffect: boolean;
  /** The observation that says so. */
  readonly proof: string;
}

/** One fault aimed at one target. */
export interface Attack {
  readonly target: string;
  inject(): Promise<void>;
  /** Whether the fault took effect; bounded in time. */
  prove(): Promise<Proof>;
  /** Asked before healing: null, or why the fault was gone already. Absent: what was done stays done. */
  endedEarly?(): Promise<string | null>;
  /** By level ("power it on if it is off"): also called when `inject` failed half-way. */
  heal(): Promise<void>;
  /** What healing does, as it reads after "served again only by": "powering lb1 on". Null: nothing. */
  readonly healing: string | null;
  /** Units whose restart by systemd is part of the recovery. */
  readonly units?: readonly HostUnit[];
}

export interface HostUnit {
  readonly host: Machine;
  readonly unit: string;
}

/** @throws HoldfastError when the topology names a host that has no machine */
export function machineNamed(context: FaultContext, name: string): Machine {
  const machine = context.machines.find((candidate) => candidate.name === name);
  if (machine === undefined) {
    throw new HoldfastError(`host ${name} has no machine`, { fix: "run `holdfast up` first" });
  }
  return machine;
}

export const machinesNamed = (context: FaultContext, names: readonly string[]): Machine[] =>
  names.map((name) => machineNamed(context, name));

/** For `applies`: a tier with one host has nobody to take over. */
export const needsTwo = (hosts: readonly string[], tier: string): string | null =>
  hosts.length < 2 ? `${tier} has only one host` : null;
