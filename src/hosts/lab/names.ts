/**
 * How the things of a lab are called on the operator's host. Everything that `destroy` must find
 * again is found by these names, so they depend on the lab's name only.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";

/** Ports on the switch that are no machine's: a machine's name cannot start with `_`. */
export const hostPort = "_host";
export const clientPort = "_client";
export const routerPort = "_router";
export const bridge = "_bridge";

/** Namespace of the lab's switch. */
export const switchNamespace = (lab: string): string => `hf-${lab}`;
/** Namespace from which drills send load. `+` and `.` are in no lab's or machine's name, so names cannot collide. */
export const clientNamespace = (lab: string): string => `hf-${lab}+client`;
/** Namespace of the router and the EC2 endpoint, in labs that have them (ec2/). */
export const routerNamespace = (lab: string): string => `hf-${lab}+router`;
export const machineNamespace = (lab: string, machine: string): string => `hf-${lab}.${machine}`;
export const ownsNamespace = (lab: string, namespace: string): boolean =>
  namespace === switchNamespace(lab) ||
  namespace === clientNamespace(lab) ||
  namespace === routerNamespace(lab) ||
  namespace.startsWith(`hf-${lab}.`);
export const namespacePath = (namespace: string): string => join("/run/netns", namespace);

/** The lab's one link in the operator's own network namespace. */
export const hostLink = (lab: string): string => `hf-${digest(lab).slice(0, 8)}`;
/** Interface names that Linux itself gives a meaning to. */
const takenPorts = ["lo", "all", "default"];

/** Port of a machine on the switch: its name, or a shortened form where that is taken or too long (15 characters). */
export const machinePort = (machine: string): string =>
  machine.length <= 15 && !takenPorts.includes(machine)
    ? machine
    : `${machine.slice(0, 8)}-${digest(machine).slice(0, 6)}`;

/** Locally administered unicast MAC address; the same at every boot, as a real machine's is. */
export function macAddress(lab: string, machine: string): string {
  const bytes = digest(`${lab}/${machine}`).slice(0, 10).match(/../g) ?? [];
  return ["02", ...bytes].join(":");
}

/** What systemd-nspawn calls the machine (at most 64 characters). */
export const nspawnName = (lab: string, machine: string): string =>
  `hf-${digest(lab).slice(0, 8)}-${machine}`;
/** Transient unit of a machine where systemd runs the operator's host. */
export const unitName = (lab: string, machine: string): string => `holdfast-${lab}.${machine}.service`;
export const machineId = (lab: string, machine: string): string => digest(`machine-id/${lab}/${machine}`);

export const labDirectory = (home: string, lab: string): string => join(home, "labs", lab);

export interface MachinePaths {
  readonly directory: string;
  /** Writable layer: everything in which the machine differs from the base image. */
  readonly upper: string;
  readonly work: string;
  /** Where the layers are mounted together while the machine is on. */
  readonly root: string;
  /** What its console printed, over all its boots. */
  readonly console: string;
  /** Process ids of the boot that is running. */
  readonly boot: string;
}

/** Files of one machine under the lab's directory. */
export function machinePaths(home: string, lab: string, machine: string): MachinePaths {
  const directory = join(labDirectory(home, lab), "machines", machine);
  return {
    directory,
    upper: join(directory, "upper"),
    work: join(directory, "work"),
    root: join(directory, "root"),
    console: join(directory, "console.log"),
    boot: join(directory, "boot.json"),
  };
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
