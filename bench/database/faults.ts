/** What the bench breaks. Its lab is thrown away afterwards: nothing here guards its own undo. */
import { dataDirectory } from "../../src/core/engines/postgres/paths.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { checkpoint, handOver, planDatabaseSwitchover } from "../../src/run/database-switchover.ts";
import type { Cluster } from "./cluster.ts";

export interface Broken {
  heal(): Promise<void>;
}

export interface BenchFault {
  readonly name: string;
  /** Stays so long after writes are back, ms: what it wears out ends later. */
  readonly holdMs?: number;
  break(cluster: Cluster, primary: LabMachine): Promise<Broken>;
}

const nothing: Broken = { heal: () => Promise.resolve() };

async function shell(machine: LabMachine, script: string): Promise<void> {
  const { code, stderr } = await machine.run(["sh", "-s"], { stdin: `set -e\n${script}` });
  if (code !== 0) throw new Error(`${machine.name}: ${script}: ${stderr}`);
}

async function powerOff(_cluster: Cluster, primary: LabMachine): Promise<Broken> {
  await primary.powerOff();
  return { heal: () => primary.powerOn() };
}

const table = "inet bench_fault";
async function drop(machine: LabMachine, rules: { input: string[]; output: string[] }): Promise<Broken> {
  const chain = (hook: "input" | "output"): string =>
    `chain ${hook} { type filter hook ${hook} priority -300; ${rules[hook].map((rule) => `${rule} drop;`).join(" ")} }`;
  await shell(machine, `nft 'table ${table} { ${chain("input")}\n${chain("output")}\n}'`);
  return { heal: () => shell(machine, `nft delete table ${table}`) };
}

const postmaster = (cluster: Cluster): string =>
  `postmaster=$(head --lines=1 ${dataDirectory(cluster.topology.database.version)}/postmaster.pid)`;
const killPatroni = "systemctl kill --kill-whom=main --signal=SIGKILL patroni.service";

async function stop(machine: LabMachine, prepare: string, pids: string): Promise<Broken> {
  await shell(machine, `${prepare}\nkill -STOP ${pids}`);
  return { heal: () => shell(machine, `${prepare}\nkill -CONT ${pids}`) };
}

const agentPid = "agent=$(systemctl show --property=MainPID --value holdfast-agent.service)";

const switchover = (named: boolean): BenchFault => ({
  name: named ? "switchover-to" : "switchover",
  async break({ topology, data }, primary) {
    const hosts = new Map(data.map((machine) => [machine.name, machine]));
    const plan = await planDatabaseSwitchover(topology, hosts);
    if (plan === null) throw new Error("nobody was named");
    await checkpoint(primary);
    await handOver(primary, { ...plan, named });
    return nothing;
  },
});

export const faults: readonly BenchFault[] = [
  { name: "power-off", break: powerOff },
  {
    name: "isolate-from-peers",
    async break(cluster, primary) {
      const peers = `{ ${cluster.members
        .filter(({ name }) => name !== primary.name)
        .map(({ address }) => address)
        .join(", ")} }`;
      return drop(primary, { input: [`ip saddr ${peers}`], output: [`ip daddr ${peers}`] });
    },
  },
  {
    name: "isolate-from-etcd",
    holdMs: 25_000, // longer than Patroni's ttl
    break: (_cluster, primary) => drop(primary, { input: ["tcp sport 2379"], output: ["tcp dport 2379"] }),
  },
  {
    name: "kill-postgres",
    async break(cluster, primary) {
      await shell(primary, `${postmaster(cluster)}\nkill -KILL "$postmaster"`);
      return nothing;
    },
  },
  {
    name: "kill-patroni",
    async break(_cluster, primary) {
      await shell(primary, killPatroni);
      return nothing;
    },
  },
  {
    name: "kill-both",
    async break(cluster, primary) {
      await shell(primary, `${postmaster(cluster)}\n${killPatroni}\nkill -KILL "$postmaster"`);
      return nothing;
    },
  },
  {
    name: "stop-postmaster",
    holdMs: 8000,
    break: (cluster, primary) => stop(primary, postmaster(cluster), '"$postmaster"'),
  },
  {
    name: "stop-postgres",
    break: (cluster, primary) =>
      stop(primary, postmaster(cluster), '"$postmaster" $(pgrep --parent "$postmaster")'),
  },
  {
    name: "stop-agent",
    holdMs: 3000,
    break: (_cluster, primary) => stop(primary, agentPid, '"$agent"'),
  },
  {
    name: "freeze-host",
    holdMs: 3000,
    async break(_cluster, primary) {
      await primary.pause();
      return { heal: () => primary.resume() };
    },
  },
  {
    name: "power-off-etcd-leader",
    async break(cluster, primary) {
      await cluster.moveEtcdLeader(primary);
      return powerOff(cluster, primary);
    },
  },
  switchover(false),
  switchover(true),
];
