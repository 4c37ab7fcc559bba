/** What `status` tells of the pool besides its hosts. */
import { join } from "node:path";
import { z } from "zod";
import type { ServiceTopology, Topology } from "../../core/topology/schema.ts";
import { isService } from "../../core/topology/schema.ts";
import { readIfExists } from "../../lib/atomic.ts";
import { tryLock } from "../../lib/lock.ts";
import { type PoolRecord, readPool } from "./record.ts";

export interface PoolStatus {
  readonly desired: number;
  readonly min: number;
  readonly max: number;
  readonly members: PoolRecord["members"];
  /** The process that keeps it; null: none does. */
  readonly controller: { readonly pid: number; readonly since: string } | null;
}

/** Its lock is the controller's: whoever holds it decides for the pool, and the kernel frees it with its holder. */
export const controllerDirectory = (directory: string): string => join(directory, "controller");

const noteSchema = z.object({ pid: z.int(), since: z.string() });

/** @returns null where there is no pool */
export async function poolStatus(topology: Topology, directory: string): Promise<PoolStatus | null> {
  if (!isService(topology) || topology.app.pool === undefined) return null;
  const { min, max } = topology.app.pool;
  const { desired, members } = await readPool(directory, topology satisfies ServiceTopology);
  return { desired, min, max, members, controller: await whoLeads(directory) };
}

async function whoLeads(directory: string): Promise<PoolStatus["controller"]> {
  const lock = await tryLock(controllerDirectory(directory));
  if (lock !== undefined) {
    await lock.release();
    return null;
  }
  const note = await readIfExists(join(controllerDirectory(directory), "lock.json"));
  // Written a moment after the lock is taken.
  const { data } = noteSchema.safeParse(note === null ? null : JSON.parse(note));
  return data ?? { pid: 0, since: "" };
}

/** One line for people. */
export function formatPool({ desired, min, max, members, controller }: PoolStatus): string {
  const others = members.filter(({ role }) => role !== "serving").map(({ host, role }) => `${host} ${role}`);
  const kept = controller === null ? "no controller keeps it" : `kept by process ${controller.pid}`;
  return [`${desired} wanted (${min} to ${max})`, ...others, kept].join(" · ");
}
