/** Who is a member of the pool, and how many there should be: what a controller goes on from. */
import { join } from "node:path";
import { z } from "zod";
import { presentTopology } from "../../core/topology/pool.ts";
import type { ServiceTopology, Topology } from "../../core/topology/schema.ts";
import { readIfExists, writeFileAtomic } from "../../lib/atomic.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { tryLock } from "../../lib/lock.ts";
import { poll } from "../../lib/retry.ts";
import { stateDirectory } from "../state.ts";

const recordSchema = z.strictObject({
  version: z.literal(1),
  /** One more with every change. */
  revision: z.int(),
  desired: z.int(),
  members: z.array(
    z.strictObject({
      host: z.string(),
      role: z.enum(["standby", "serving", "draining"]),
      protected: z.boolean(),
    }),
  ),
});
export type PoolRecord = z.output<typeof recordSchema>;

const fileOf = (directory: string): string => join(directory, "pool.json");

/** @returns null when nobody has changed the pool yet @throws HoldfastError when it cannot be understood */
async function readRecord(directory: string): Promise<PoolRecord | null> {
  const text = await readIfExists(fileOf(directory));
  if (text === null) return null;
  const { success, data } = recordSchema.safeParse(parseJson(text));
  if (success) return data;
  throw new HoldfastError(`${fileOf(directory)} is not a record of the pool's members`, {
    fix: "put back what was there (a copy of the file), or remove it: then the first hosts are the members",
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The record as it is; before the first change, the hosts that `up` begins with. */
export async function readPool(directory: string, full: ServiceTopology): Promise<PoolRecord> {
  const known = await readRecord(directory);
  if (known !== null) return known;
  const { min } = full.app.pool ?? { min: full.app.hosts.length };
  const members = full.app.hosts
    .slice(0, min)
    .map((host) => ({ host, role: "serving" as const, protected: false }));
  return { version: 1, revision: 0, desired: min, members };
}

/**
 * Replaces the record if nobody has changed it since it was read.
 * @returns false when somebody has: look again
 */
export async function writePool(
  directory: string,
  full: ServiceTopology,
  record: PoolRecord,
): Promise<boolean> {
  // Held for one read and one write; whoever dies in between has changed nothing.
  const lock = await poll(() => tryLock(fileOf(directory)), {
    deadlineMs: 5000,
    intervalMs: 10,
    what: "the record of the pool to be free",
  });
  try {
    if ((await readPool(directory, full)).revision !== record.revision) return false;
    const next = { ...record, revision: record.revision + 1 };
    await writeFileAtomic(fileOf(directory), `${JSON.stringify(next, null, 2)}\n`);
    return true;
  } finally {
    await lock.release();
  }
}

/** The topology of what should exist, by the record: who drains is not made again, and `up` ends it. */
export async function readPresent(topology: Topology, home: string): Promise<Topology> {
  if (topology.app?.pool === undefined) return topology;
  const record = await readRecord(stateDirectory(home, topology.name));
  const staying = record?.members.filter(({ role }) => role !== "draining").map(({ host }) => host);
  return presentTopology(topology, staying ?? null);
}
