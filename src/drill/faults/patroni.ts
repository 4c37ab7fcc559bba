/** The database cluster as Patroni's REST API tells it. */
import { z } from "zod";
import { restPort } from "../../core/engines/postgres/paths.ts";
import { tlsPaths } from "../../core/engines/tls.ts";
import { HoldfastError, HostUnreachable } from "../../lib/errors.ts";
import type { Machine } from "../../ports.ts";
import { type ServiceFaultContext, machineNamed, machinesNamed } from "../fault.ts";

/** Longer than Patroni's `ttl` (20 s): a fault that lasts so long outlives the primary's lease. */
export const LEASE_MS = 22_000;

const clusterSchema = z.object({
  members: z.array(
    z.object({ name: z.string(), role: z.string(), state: z.string(), timeline: z.int().optional() }),
  ),
});
export type PatroniMember = z.output<typeof clusterSchema>["members"][number];

/**
 * The cluster as the host knows it whose running leader has the highest timeline: one that was cut
 * off, or whose Patroni hangs, still tells of old times.
 * @throws HoldfastError when no database host answers
 */
export async function patroniMembers(context: ServiceFaultContext): Promise<readonly PatroniMember[]> {
  const machines = machinesNamed(context, context.topology.database.hosts);
  const answers = (await Promise.all(machines.map(ask))).filter((answer) => answer !== null);
  const [newest] = answers.toSorted((a, b) => timelineOf(b) - timelineOf(a));
  if (newest === undefined) throw new HoldfastError("Patroni answers on no database host");
  return newest;
}

const timelineOf = (members: readonly PatroniMember[]): number => leaderOf(members)?.timeline ?? 0;

async function ask(machine: Machine): Promise<readonly PatroniMember[] | null> {
  const answer = await askPatroni(machine, "/cluster");
  return answer === null ? null : clusterSchema.parse(answer).members;
}

/** What Patroni on the host answers to a GET; null when it does not. */
async function askPatroni(machine: Machine, path: string): Promise<unknown> {
  const url = `https://${machine.address}:${restPort}${path}`;
  const argv = [..."curl --silent --fail --max-time 2 --cacert".split(" "), tlsPaths("postgres").ca, url];
  try {
    const { code, stdout } = await machine.run(argv, { timeoutMs: 5000 });
    return code === 0 ? JSON.parse(stdout) : null;
  } catch (error) {
    if (error instanceof HostUnreachable) return null;
    throw error;
  }
}

const configSchema = z.object({ synchronous_mode: z.union([z.boolean(), z.string()]).default(false) });

/** Whether the cluster is set up for synchronous replication; null when Patroni answers nowhere. */
export async function isSynchronous(context: ServiceFaultContext): Promise<boolean | null> {
  const machines = machinesNamed(context, context.topology.database.hosts);
  for (const machine of machines) {
    const answer = await askPatroni(machine, "/config");
    if (answer === null) continue;
    const mode = String(configSchema.parse(answer).synchronous_mode);
    return ["true", "on", "yes", "1", "quorum"].includes(mode.toLowerCase());
  }
  return null;
}

export const leaderOf = (members: readonly PatroniMember[]): PatroniMember | undefined =>
  members.find(({ role, state }) => role === "leader" && state === "running");

/** @throws HoldfastError when there is no primary */
export async function primaryHost(context: ServiceFaultContext): Promise<Machine> {
  const leader = leaderOf(await patroniMembers(context));
  if (leader === undefined) throw new HoldfastError("the database has no primary");
  return machineNamed(context, leader.name);
}

/** A host that streams from the primary, the synchronous one first. @throws HoldfastError when there is none */
export async function replicaHost(context: ServiceFaultContext): Promise<Machine> {
  const streaming = (await patroniMembers(context)).filter(({ state }) => state === "streaming");
  const replica = streaming.find(({ role }) => role !== "replica") ?? streaming[0];
  if (replica === undefined) throw new HoldfastError("the database has no replica");
  return machineNamed(context, replica.name);
}
