import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import { poll } from "../../lib/retry.ts";
import type { Reporter } from "../../ports.ts";
import { type Ec2Spec, startEc2, stopEc2 } from "./ec2/process.ts";
import { findLeftovers, removeByName } from "./leftovers.ts";
import { LabMachine } from "./machine.ts";
import * as names from "./names.ts";
import { createSwitch, requireFreeSubnet } from "./network.ts";
import { type LabRecord, type MachineRecord, readLab, writeLab } from "./state.ts";
import { contains, highestFree, parseSubnet } from "./subnet.ts";

export interface LabSpec {
  readonly name: string;
  /** "10.77.10.0/24" */
  readonly subnet: string;
  /** Name of the machines' network interface. */
  readonly interface: string;
  /** Memory in bytes. */
  readonly machines: readonly { readonly name: string; readonly address: string; readonly memory: number }[];
  /** Directory of the base image (`ensureImage`). */
  readonly image: string;
  /** Addresses of the subnet that are nobody's own, such as the virtual address: not to be given away. */
  readonly reserved?: readonly string[];
  /** Gives the lab a router with Elastic IPs, and an EC2 endpoint that moves them. */
  readonly ec2?: Ec2Spec;
}

export interface LabOptions {
  /** Holdfast's state directory: the lab is in `<home>/labs/<name>`. */
  readonly home: string;
  readonly name: string;
  readonly reporter: Reporter;
}

/** Real systemd machines on one switch. */
export interface Lab {
  readonly name: string;
  /** False when nothing was ever created under that name, or its creation was cut before it was recorded. */
  readonly exists: boolean;
  readonly machines: readonly LabMachine[];
  /** Network namespace on the switch from which clients' load is sent: `ip netns exec <it> …`. */
  readonly clientNamespace: string;
  /** Directory on this host that every machine sees as /mnt/holdfast-nas. */
  readonly sharedDirectory: string;
  /** @throws HoldfastError when there is no machine of that name */
  machine(name: string): LabMachine;
  /**
   * Removes everything, in whatever state it is, and proves it. Running it again does nothing.
   * @throws HoldfastError listing what could not be removed
   */
  destroy(): Promise<void>;
}

/** The lab as it is; also when there is none, or only part of one. */
export async function openLab(options: LabOptions): Promise<Lab> {
  const { home, name, reporter } = options;
  requireName(name);
  const record = await readLab(home, name);
  const machines = (record?.machines ?? []).map(
    (machine) => new LabMachine(home, record as LabRecord, machine),
  );
  return {
    name,
    exists: record !== undefined,
    machines,
    clientNamespace: names.clientNamespace(name),
    sharedDirectory: join(names.labDirectory(home, name), "shared"),
    machine(wanted) {
      const found = machines.find((machine) => machine.name === wanted);
      if (found === undefined) throw new HoldfastError(`lab ${name} has no machine ${wanted}`);
      return found;
    },
    destroy: async () => destroy(home, name, reporter),
  };
}

/**
 * Makes the lab as the specification says and boots it: machines that run are left alone, those that
 * are off are powered on, missing ones are created, those that are no longer named are removed.
 * May be cut anywhere and run again; `destroy` removes whatever was made so far.
 * @throws HoldfastError when the subnet is in use, or does not fit the lab that exists
 */
export async function createLab(spec: LabSpec, options: Omit<LabOptions, "name">): Promise<Lab> {
  const { home, reporter } = options;
  const before = await readLab(home, spec.name);
  validate(spec, home, before);
  await requireFreeSubnet(spec.name, spec.subnet);
  const record = recordOf(spec, before);
  const dropped = (before?.machines ?? []).filter(
    ({ name }) => !record.machines.some((machine) => machine.name === name),
  );
  // Recorded before anything is made, and the dropped ones until they are gone: what exists is always in the record.
  await writeLab(home, { ...record, machines: [...record.machines, ...dropped] });
  const shared = join(names.labDirectory(home, spec.name), "shared");
  await mkdir(shared, { recursive: true, mode: 0o755 });
  const network = { ...record, lab: record.name };
  await createSwitch(network);
  const { gatewayAddress } = record;
  if (spec.ec2 === undefined || gatewayAddress === undefined) await stopEc2({ home, lab: spec.name });
  else await startEc2({ home, network: { ...network, gatewayAddress } }, spec.ec2);
  for (const machine of dropped) {
    reporter.info(`removing machine ${machine.name}: it is no longer in the topology`);
    await new LabMachine(home, record, machine).remove();
  }
  await writeLab(home, record);
  const lab = await openLab({ ...options, name: spec.name });
  await boot(lab.machines, reporter);
  return lab;
}

async function boot(machines: readonly LabMachine[], reporter: Reporter): Promise<void> {
  const outcomes = await Promise.allSettled(
    machines.map(async (machine) => {
      const state = await machine.state();
      // Also a running one: its boot may have been begun by a command that was killed.
      if (state === "running") return machine.powerOn();
      const task = reporter.task(`${state === "absent" ? "create" : "start"} machine ${machine.name}`);
      try {
        if (state === "paused") await machine.resume();
        else await machine.powerOn();
        task.done(machine.address);
      } catch (error) {
        task.fail((error as Error).message);
        throw error;
      }
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function destroy(home: string, lab: string, reporter: Reporter): Promise<void> {
  const task = reporter.task(`remove lab ${lab}`);
  let left: string[] = [];
  try {
    // More than one pass: helpers of a creation that was killed a moment ago may still be at work.
    await poll(
      async () => {
        await removeByName(home, lab);
        left = await findLeftovers(home, lab);
        return left.length === 0;
      },
      { deadlineMs: 20_000, intervalMs: 200, what: `lab ${lab} to be removed` },
    );
    task.done();
  } catch (error) {
    left = await findLeftovers(home, lab);
    task.fail(`${left.length} things left`);
    throw new HoldfastError(`lab ${lab} could not be removed completely; left:\n  ${left.join("\n  ")}`, {
      fix: "end what uses them (the cause says what failed) and run it again",
      cause: error,
    });
  }
}

/** What the lab will be: addresses once given to the host and the clients, and the machines' images, stay. */
function recordOf(spec: LabSpec, before: LabRecord | undefined): LabRecord {
  const taken = [...spec.machines.map(({ address }) => address), ...(spec.reserved ?? [])];
  const [hostAddress, clientAddress] = before
    ? [before.hostAddress, before.clientAddress]
    : highestFree(parseSubnet(spec.subnet), taken, 2);
  if (hostAddress === undefined || clientAddress === undefined) {
    throw new HoldfastError(
      `subnet ${spec.subnet} has no two free addresses left for this host and the clients`,
      {
        fix: "use a larger subnet, such as a /24",
      },
    );
  }
  const gatewayAddress = before?.gatewayAddress ?? freeGateway(spec, [...taken, hostAddress, clientAddress]);
  const machines = spec.machines.map(({ name, address, memory }): MachineRecord => ({
    name,
    address,
    memory,
    image: before?.machines.find((machine) => machine.name === name)?.image ?? spec.image,
  }));
  const { name, subnet } = spec;
  return {
    version: 1,
    name,
    subnet,
    interface: spec.interface,
    hostAddress,
    clientAddress,
    ...(spec.ec2 === undefined || gatewayAddress === undefined ? {} : { gatewayAddress }),
    machines,
  };
}

function freeGateway({ subnet, ec2 }: LabSpec, taken: readonly string[]): string | undefined {
  const [address] = highestFree(parseSubnet(subnet), taken, 1);
  if (ec2 === undefined || address !== undefined) return address;
  throw new HoldfastError(`subnet ${subnet} has no free address left for the router`, {
    fix: "use a larger subnet, such as a /24",
  });
}

function validate(spec: LabSpec, home: string, before: LabRecord | undefined): void {
  requireName(spec.name);
  for (const { name } of spec.machines) requireName(name);
  if (process.getuid?.() !== 0) throw new HoldfastError("the lab needs root", { fix: "run it with sudo" });
  if (/[\s,:\\]/.test(home)) {
    throw new HoldfastError(`the Holdfast home ${home} has a blank, comma, colon or backslash in its path`, {
      fix: "set HOLDFAST_HOME to another directory: overlay mounts cannot take such paths",
    });
  }
  const outside = spec.machines.find(({ address }) => !contains(parseSubnet(spec.subnet), address));
  if (outside)
    throw new HoldfastError(`${outside.name}: address ${outside.address} is not in ${spec.subnet}`);
  if (before === undefined) return;
  const taken = [...spec.machines.map(({ address }) => address), ...(spec.reserved ?? [])];
  const moved = spec.machines.filter((machine) =>
    before.machines.some(({ name, address }) => name === machine.name && address !== machine.address),
  );
  const changed = [
    ...(before.subnet === spec.subnet ? [] : [`subnet ${before.subnet} → ${spec.subnet}`]),
    ...(before.interface === spec.interface ? [] : [`interface ${before.interface} → ${spec.interface}`]),
    ...moved.map(({ name, address }) => `address of ${name} → ${address}`),
    ...[before.hostAddress, before.clientAddress, before.gatewayAddress ?? ""]
      .filter((address) => taken.includes(address))
      .map((address) => `${address}, so far the lab's own, is now used`),
  ];
  if (changed.length === 0) return;
  throw new HoldfastError(`lab ${spec.name} exists with another network: ${changed.join("; ")}`, {
    fix: "remove the lab first (holdfast down), then bring it up again",
  });
}

/** Names become parts of paths and of command lines' arguments. */
function requireName(name: string): void {
  if (/^[a-z][a-z0-9-]{0,30}$/.test(name)) return;
  throw new HoldfastError(
    `${JSON.stringify(name)} is not a name: lower-case letters, digits and dashes, at most 31`,
  );
}
