/** `primary-kill`: kill -9 of the postmaster of the PostgreSQL primary; Patroni promotes a replica. */
import { dataDirectory } from "../../core/engines/postgres/paths.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { type Attack, type Fault, type FaultContext, machineNamed } from "../fault.ts";
import { allGone, identify } from "../processes.ts";
import { waitFor } from "../wait.ts";
import { clusterHealth, leaderOf, patroniMembers } from "./patroni.ts";

const PROOF_DEADLINE_MS = 5000;
/** How long a new leader is waited for; the recovery objective is judged from the load. */
const TAKEOVER_DEADLINE_MS = 60_000;

export const primaryKill: Fault = {
  name: "primary-kill",
  tier: "database",
  title: "kill -9 of the PostgreSQL primary",
  applies: (topology) => (topology.database.hosts.length < 2 ? "the database has only one host" : null),
  healthy: clusterHealth,
  prepare,
};

async function prepare(context: FaultContext): Promise<Attack> {
  const before = leaderOf(await patroniMembers(context));
  if (before === undefined) throw new HoldfastError("the database has no primary");
  const host = machineNamed(context, before.name);
  const pidFile = `${dataDirectory(context.topology.database.version)}/postmaster.pid`;
  const read = await host.run(["head", "--lines=1", pidFile]);
  const postmaster = await identify(host, [Number.parseInt(read.stdout, 10)].filter(Number.isInteger));
  const [main] = postmaster;
  if (main === undefined) {
    throw new HoldfastError(`no running postmaster was found on ${host.name} (${pidFile})`);
  }
  let takeover = `PostgreSQL started again on ${host.name}`;
  const newLeader = async (): Promise<string | null> => {
    const now = leaderOf(await patroniMembers(context));
    if (now === undefined) return "no leader is running";
    if (now.name === before.name && now.timeline === before.timeline) return "the leader is the same";
    takeover = `Patroni promoted ${now.name} (timeline ${before.timeline} to ${now.timeline})`;
    return null;
  };
  return {
    target: host.name,
    async inject() {
      const { code, stderr } = await host.run(["kill", "-KILL", String(main.pid)]);
      if (code !== 0) throw new HoldfastError(`${host.name}: kill failed: ${stderr.trim()}`);
    },
    async prove() {
      const alive = await waitFor(async () => ((await allGone(host, postmaster)) ? null : "is still there"), {
        deadlineMs: PROOF_DEADLINE_MS,
        intervalMs: 100,
      });
      const which = `postmaster ${main.pid} on ${host.name}`;
      if (alive !== null) return { tookEffect: false, proof: `${which} ${alive}` };
      const unchanged = await waitFor(newLeader, { deadlineMs: TAKEOVER_DEADLINE_MS });
      return { tookEffect: true, proof: `${which} is gone; ${unchanged ?? takeover}` };
    },
    async heal() {
      // Patroni brings the old primary back as a replica (pg_rewind) by itself.
    },
    async recovered() {
      const member = (await patroniMembers(context)).find(({ name }) => name === host.name);
      return member === undefined ? `${host.name} is not in the cluster` : null;
    },
    recoveredBy: () => Promise.resolve(takeover),
  };
}
