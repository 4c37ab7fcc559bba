/** The database cluster as Patroni's REST API tells it. */
import { z } from "zod";
import { restPort } from "../../core/engines/postgres/paths.ts";
import { tlsPaths } from "../../core/engines/tls.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { type FaultContext, machinesNamed } from "../fault.ts";

const clusterSchema = z.object({
  members: z.array(
    z.object({ name: z.string(), role: z.string(), state: z.string(), timeline: z.int().optional() }),
  ),
});
export type PatroniMember = z.output<typeof clusterSchema>["members"][number];

/** @throws HoldfastError when no database host answers */
export async function patroniMembers(context: FaultContext): Promise<PatroniMember[]> {
  for (const machine of machinesNamed(context, context.topology.database.hosts)) {
    if ((await machine.state()) !== "running") continue;
    const url = `https://${machine.address}:${restPort}/cluster`;
    const { code, stdout } = await machine.run([
      ..."curl --silent --fail --max-time 3 --cacert".split(" "),
      tlsPaths("postgres").ca,
      url,
    ]);
    if (code === 0) return clusterSchema.parse(JSON.parse(stdout)).members;
  }
  throw new HoldfastError("Patroni answers on no database host");
}

export const leaderOf = (members: readonly PatroniMember[]): PatroniMember | undefined =>
  members.find(({ role, state }) => role === "leader" && state === "running");

/** Null, or what the cluster lacks: a leader, a streaming replica on every other host, a synchronous one. */
export async function clusterHealth(context: FaultContext): Promise<string | null> {
  const { database, objectives } = context.topology;
  const members = await patroniMembers(context);
  const leader = leaderOf(members);
  if (leader === undefined) return "the database has no primary";
  for (const name of database.hosts) {
    const member = members.find((candidate) => candidate.name === name);
    if (member === leader) continue;
    if (member === undefined) return `${name} is not in the cluster`;
    if (member.state !== "streaming") return `PostgreSQL on ${name} is ${member.state}, not streaming`;
    if (member.timeline !== leader.timeline) return `PostgreSQL on ${name} is on timeline ${member.timeline}`;
  }
  const synchronous = members.some(({ role }) => role === "sync_standby" || role === "quorum_standby");
  return objectives.database.dataLoss === "none" && !synchronous ? "no replica is synchronous" : null;
}
