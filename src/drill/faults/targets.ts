/** Whom a fault hits: who holds the address, who leads etcd. */
import { haproxyFiles } from "../../core/engines/haproxy/paths.ts";
import type { Topology } from "../../core/topology/schema.ts";
import { holdsAddress } from "../../engines/entry.ts";
import { observeEtcd } from "../../engines/etcd.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Machine } from "../../ports.ts";
import { type FaultContext, machineNamed, machinesNamed, type ServiceFaultContext } from "../fault.ts";

/** Entry hosts that are running and are keepalived's masters. */
export async function vipHolders(context: FaultContext): Promise<Machine[]> {
  const machines = machinesNamed(context, context.topology.entry.hosts);
  const holds = await Promise.all(
    machines.map(
      async (machine) =>
        (await machine.state()) === "running" && (await holdsAddress(machine, context.topology)),
    ),
  );
  return machines.filter((_, index) => holds[index]);
}

/** @throws HoldfastError when nobody holds the address */
export async function vipHolder(context: FaultContext): Promise<Machine> {
  const [holder] = await vipHolders(context);
  if (holder === undefined) throw new HoldfastError("no entry host holds the address");
  return holder;
}

/** An entry host that does not hold the address. */
export async function standby(context: FaultContext): Promise<Machine> {
  const holder = await vipHolder(context);
  const other = context.topology.entry.hosts.find((name) => name !== holder.name);
  return machineNamed(context, other ?? holder.name);
}

/** The app host that most clients are sent to: with affinity the others may have none, and a fault there shows nothing. */
export async function busiestApp(context: ServiceFaultContext): Promise<Machine> {
  const holder = await vipHolder(context);
  const { stdout } = await holder.run(
    ["socat", "-t", "2", "stdio", `UNIX-CONNECT:${haproxyFiles.adminSocket}`],
    { stdin: "show stat -1 4 -1\n", timeoutMs: 5000 },
  );
  const busiest = sessionRates(stdout).toSorted((a, b) => b.perSecond - a.perSecond)[0];
  return machineNamed(context, busiest?.server ?? context.topology.app.hosts[0] ?? "");
}

/** New sessions (requests) in the last second by app host, from `show stat`. */
function sessionRates(csv: string): { readonly server: string; readonly perSecond: number }[] {
  const [head = "", ...rows] = csv.trim().split("\n");
  const names = head.replace(/^# /, "").split(",");
  const [backend, server, rate] = ["pxname", "svname", "rate"].map((name) => names.indexOf(name));
  return rows
    .map((row) => row.split(","))
    .filter((fields) => fields[backend ?? -1] === "app")
    .map((fields) => ({ server: fields[server ?? -1] ?? "", perSecond: Number(fields[rate ?? -1] ?? 0) }));
}

/** The members of etcd, the leader first. @throws HoldfastError when nobody leads */
export async function etcdMembers(context: ServiceFaultContext): Promise<Machine[]> {
  const machines = machinesNamed(context, context.topology.coordination.hosts);
  const seen = await Promise.all(machines.map((machine) => observeEtcd(machine, context.topology)));
  const leader = machines[seen.findIndex((member) => member.reachable && member.member?.leader === true)];
  if (leader === undefined) throw new HoldfastError("etcd has no leader");
  return [leader, ...machines.filter((machine) => machine !== leader)];
}

export const addressOfHost = (topology: Topology, name: string): string =>
  topology.hosts[name]?.address ?? "";
