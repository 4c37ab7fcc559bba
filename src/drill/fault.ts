/** What a fault is. Each is one file in `faults/`; `faults/registry.ts` lists them. */
import type { DrillTier } from "../core/drill/objectives.ts";
import type { Topology } from "../core/topology/schema.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Machine } from "../ports.ts";
import type { DeadMan } from "./deadman.ts";

export interface FaultContext {
  readonly topology: Topology;
  readonly machines: readonly Machine[];
  /** Undoes, should this process die, what would otherwise stay. */
  readonly deadMan: DeadMan;
}

export interface Fault {
  /** As typed: `holdfast drill <name>`. */
  readonly name: string;
  /** Whose objectives it is judged against. */
  readonly tier: DrillTier;
  /** What happens, in a few words. */
  readonly title: string;
  /** Null, or why the topology cannot have this fault. */
  applies(topology: Topology): string | null;
  /** Null, or what the tier lacks of full redundancy: before a fault nothing may, after healing neither. */
  healthy(context: FaultContext): Promise<string | null>;
  /** Chooses the target and records what the proof needs; changes nothing. */
  prepare(context: FaultContext): Promise<Attack>;
}

/** One fault aimed at one target. */
export interface Attack {
  readonly target: string;
  inject(): Promise<void>;
  /** Whether the fault took effect, with the observation that says so. */
  prove(): Promise<{ readonly tookEffect: boolean; readonly proof: string }>;
  /** By level ("power it on if it is off"): also called when `inject` failed half-way. */
  heal(): Promise<void>;
  /** Null, or what the target lacks of its former health, beyond the tier's `healthy`. */
  recovered(): Promise<string | null>;
  /** Who brought the service back, asked once all is healthy. */
  recoveredBy(): Promise<string>;
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
