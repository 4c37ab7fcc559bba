/** Faults of PostgreSQL and Patroni. Promise: writes go on in time, and no acknowledged one is lost. */
import { restPort, dataDirectory } from "../../core/engines/postgres/paths.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { checkpoint, handOver, planDatabaseSwitchover } from "../../run/database-switchover.ts";
import type { Machine } from "../../ports.ts";
import { type Attack, type Fault, type ServiceFaultContext, needsTwo, serviceFault } from "../fault.ts";
import { allGone, identify } from "../processes.ts";
import { cannotFill, damageHost, dropPackets, fillDisk, killUnits, powerOff, proveBy } from "./damage.ts";
import { LEASE_MS, primaryHost, replicaHost } from "./patroni.ts";
import { addressOfHost } from "./targets.ts";

type DatabaseFault = Pick<Fault, "name" | "title" | "proves" | "healAtOnce" | "holdMs"> & {
  readonly capability?: (context: ServiceFaultContext) => Promise<string | null>;
  readonly prepare: (context: ServiceFaultContext) => Promise<Attack>;
};

const table: readonly DatabaseFault[] = [
  {
    name: "primary-kill",
    title: "kill -9 of the PostgreSQL primary",
    proves: "a crashed primary is replaced by its replica, and comes back as one",
    prepare: async (context) => killPostmaster(await primaryHost(context), context.topology),
  },
  {
    name: "primary-hang",
    title: "SIGSTOP of PostgreSQL on the primary: postmaster and all its processes",
    proves: "a primary that accepts connections and answers nothing is replaced",
    prepare: async (context) => stopPostgres(await primaryHost(context), context.topology),
  },
  {
    name: "patroni-kill",
    title: "kill -9 of Patroni on the primary's host",
    proves: "PostgreSQL goes on without its manager until systemd has restarted that",
    prepare: async (context) => killPatroni(await primaryHost(context)),
  },
  {
    name: "primary-power-off",
    title: "power-off of the primary's host",
    proves: "the primary's whole host can be lost; Patroni's time to live bounds how long it takes",
    prepare: async (context) => powerOff(context, [await primaryHost(context)]),
  },
  {
    name: "primary-power-blink",
    title: "power-off of the primary's host, and power-on at once: healed during the failover",
    proves: "a host that is back before the failover is over does not disturb it, and no write is lost",
    healAtOnce: true,
    prepare: async (context) => powerOff(context, [await primaryHost(context)]),
  },
  {
    name: "primary-cut-from-etcd",
    holdMs: LEASE_MS,
    title: "the primary's host cut off from every etcd member, its own too",
    proves: "a primary that sees all other members of the cluster goes on without etcd (failsafe mode)",
    prepare: async (context) =>
      dropPackets(await primaryHost(context), "to etcd", { output: ["tcp dport 2379"] }),
  },
  {
    name: "primary-cut-from-replica",
    title: "primary and replica cut off from each other",
    proves: "writes wait no longer than it takes to take a lost replica out of synchronous replication",
    prepare: async (context) => cutFromReplica(context),
  },
  {
    name: "primary-isolated",
    title: "the primary's host cut off from everything",
    proves: "a primary without the quorum gives up, the replica takes over, and there are never two",
    prepare: async (context) => isolate(await primaryHost(context)),
  },
  {
    name: "replica-power-off",
    title: "power-off of the replica's host",
    proves: "losing the synchronous replica stops writes for seconds only",
    prepare: async (context) => powerOff(context, [await replicaHost(context)]),
  },
  {
    name: "primary-disk-full",
    title: "no space left for the primary's write-ahead log",
    proves: "a primary that can write no more is replaced by one that can",
    capability: async (context) =>
      cannotFill(await primaryHost(context), dataDirectory(context.topology.database.version)),
    prepare: async (context) =>
      fillDisk(await primaryHost(context), dataDirectory(context.topology.database.version)),
  },
  {
    name: "primary-switchover",
    title: "`holdfast switchover database` under load",
    proves: "the primary moves before its host's maintenance, and writers hardly notice",
    prepare: switchover,
  },
];

export const databaseFaults: readonly Fault[] = table.map((fault) =>
  serviceFault({
    ...fault,
    tier: "database",
    applies: ({ database }) => needsTwo(database.hosts, "the database"),
  }),
);

const pidFile = (topology: ServiceTopology): string =>
  `${dataDirectory(topology.database.version)}/postmaster.pid`;

/** kill -9 of the postmaster of a host; its other processes end by themselves. */
export async function killPostmaster(host: Machine, topology: ServiceTopology): Promise<Attack> {
  const read = await host.run(["head", "--lines=1", pidFile(topology)]);
  const postmaster = await identify(host, [Number.parseInt(read.stdout, 10)].filter(Number.isInteger));
  const [main] = postmaster;
  if (main === undefined) {
    throw new HoldfastError(`no running postmaster was found on ${host.name} (${pidFile(topology)})`);
  }
  return {
    target: host.name,
    healing: null,
    async inject() {
      const { code, stderr } = await host.run(["kill", "-KILL", String(main.pid)]);
      if (code !== 0) throw new HoldfastError(`${host.name}: kill failed: ${stderr.trim()}`);
    },
    prove: () =>
      proveBy(`postmaster ${main.pid} on ${host.name} is gone`, async () =>
        (await allGone(host, postmaster)) ? null : "it is still there",
      ),
    // Patroni brings the old primary back as a replica (pg_rewind) by itself.
    heal: () => Promise.resolve(),
  };
}

async function switchover(context: ServiceFaultContext): Promise<Attack> {
  const { topology, machines } = context;
  const plan = await planDatabaseSwitchover(topology, new Map(machines.map((one) => [one.name, one])));
  if (plan === null) throw new Error("nobody was named");
  const from = await primaryHost(context);
  return {
    target: plan.from,
    healing: null,
    async inject() {
      await checkpoint(from);
      await handOver(from, plan);
    },
    prove: () =>
      proveBy(`${plan.from} is no longer the primary`, async () => {
        const { name } = await primaryHost(context);
        return name === plan.from ? `${name} still is` : null;
      }),
    heal: () => Promise.resolve(),
  };
}

/** Stopped from the postmaster down, so that it makes no new process; continued the other way round. */
function stopPostgres(host: Machine, topology: ServiceTopology): Attack {
  const postmaster = `postmaster=$(head --lines=1 ${pidFile(topology)})`;
  return damageHost(host, {
    id: "stopped",
    inject: `${postmaster}\nkill -STOP "$postmaster"\npkill -STOP --parent "$postmaster"`,
    undo: `${postmaster}\npkill -CONT --parent "$postmaster"\nkill -CONT "$postmaster"`,
    shows: `${postmaster}; grep -q '^State:.T' "/proc/$postmaster/status"`,
    proof: "PostgreSQL stopped (state T)",
    healing: "SIGCONT to PostgreSQL",
  });
}

/** Only Patroni: its control group holds PostgreSQL too, which must go on. */
async function killPatroni(host: Machine): Promise<Attack> {
  const attack = await killUnits(host, ["patroni.service"]);
  return {
    ...attack,
    async inject() {
      const argv = "systemctl kill --kill-whom=main --signal=SIGKILL patroni.service".split(" ");
      const { code, stderr } = await host.run(argv);
      if (code !== 0) throw new HoldfastError(`${host.name}: systemctl kill failed: ${stderr.trim()}`);
    },
  };
}

async function cutFromReplica(context: ServiceFaultContext): Promise<Attack> {
  const { topology } = context;
  const ports = `{ ${topology.database.port}, ${restPort} }`;
  const replica = addressOfHost(topology, (await replicaHost(context)).name);
  return dropPackets(await primaryHost(context), "between the database hosts", {
    input: [`ip saddr ${replica} tcp dport ${ports}`, `ip saddr ${replica} tcp sport ${ports}`],
    output: [`ip daddr ${replica} tcp dport ${ports}`, `ip daddr ${replica} tcp sport ${ports}`],
  });
}

const isolate = (host: Machine): Attack =>
  dropPackets(host, "all but the host's own", { input: ['iifname != "lo"'], output: ['oifname != "lo"'] });
