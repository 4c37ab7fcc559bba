/** What is remembered about a lab between commands. Written before the thing it describes is made. */
import { readIfExists, writeFileAtomic } from "../../lib/atomic.ts";
import { join } from "node:path";
import type { Cgroups } from "./cgroup.ts";
import { labDirectory, type MachinePaths } from "./names.ts";
import { isRunning, type ProcessId } from "./processes.ts";

export interface MachineRecord {
  readonly name: string;
  readonly address: string;
  /** Bytes; enforced where systemd runs the host (elsewhere engines are only configured to fit into it). */
  readonly memory: number;
  /** Base image directory that the machine's writable layer belongs to, for its whole life. */
  readonly image: string;
}

export interface LabRecord {
  readonly version: 1;
  readonly name: string;
  readonly subnet: string;
  readonly interface: string;
  readonly hostAddress: string;
  readonly clientAddress: string;
  /** Of the router, in labs with an EC2 endpoint. */
  readonly gatewayAddress?: string;
  readonly machines: readonly MachineRecord[];
}

/** One boot of a machine. */
export interface BootRecord {
  /** The systemd-nspawn process. */
  readonly supervisor: ProcessId;
  /** The machine's PID 1 as the host sees it; absent until it exists. */
  readonly leader?: ProcessId;
  readonly cgroups: Cgroups;
}

/** @returns undefined when there is no record, or none that can be read (a lab that was never completed) */
export async function readLab(home: string, lab: string): Promise<LabRecord | undefined> {
  const record = await readJson<LabRecord>(join(labDirectory(home, lab), "lab.json"));
  return record?.version === 1 ? record : undefined;
}

export async function writeLab(home: string, record: LabRecord): Promise<void> {
  const path = join(labDirectory(home, record.name), "lab.json");
  await writeFileAtomic(path, `${JSON.stringify(record, null, 2)}\n`);
}

export async function readBoot(paths: MachinePaths): Promise<BootRecord | undefined> {
  return readJson<BootRecord>(paths.boot);
}

export async function writeBoot(paths: MachinePaths, record: BootRecord): Promise<void> {
  await writeFileAtomic(paths.boot, JSON.stringify(record));
}

/** The boot that is going on; undefined when the machine is off. */
export async function currentBoot(paths: MachinePaths): Promise<BootRecord | undefined> {
  const boot = await readBoot(paths);
  return boot !== undefined && isRunning(boot.leader ?? boot.supervisor) ? boot : undefined;
}

async function readJson<T>(path: string): Promise<T | undefined> {
  const text = await readIfExists(path);
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}
