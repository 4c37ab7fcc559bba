/** `vip-holder-power-off`: the entry host that holds the virtual address loses its power. */
import type { Machine } from "../../ports.ts";
import { type EntryStatus, observeEntry } from "../../engines/entry.ts";
import type { Observed } from "../../engines/observed.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { type Attack, type Fault, type FaultContext, machinesNamed } from "../fault.ts";
import { waitFor } from "../wait.ts";

/** How long the proof waits for the address to move; the recovery objective is judged from the load. */
const MOVE_DEADLINE_MS = 15_000;

export const vipHolderPowerOff: Fault = {
  name: "vip-holder-power-off",
  tier: "entry",
  title: "power-off of the entry host that holds the virtual address",
  applies: (topology) => (topology.entry.hosts.length < 2 ? "the entry has only one host" : null),
  async healthy(context) {
    const holders: string[] = [];
    for (const host of machinesNamed(context, context.topology.entry.hosts)) {
      const entry = await observeEntry(host, context.topology);
      const missing = unhealthyEntry(entry);
      if (missing !== null) return `${host.name}: ${missing}`;
      if (entry.reachable && entry.vip) holders.push(host.name);
    }
    if (holders.length === 1) return null;
    return `the virtual address is on ${holders.length === 0 ? "no host" : holders.join(" and ")}`;
  },
  prepare,
};

async function prepare(context: FaultContext): Promise<Attack> {
  const [holder] = await vipHolders(context);
  if (holder === undefined) throw new HoldfastError("no entry host holds the virtual address");
  let cancelDeadMan: (() => void) | undefined;
  let movedTo: string | null = null;
  const lookForMove = async (): Promise<string | null> => {
    movedTo = (await vipHolders(context))[0]?.name ?? null;
    return movedTo === null ? "the address is on no host" : null;
  };
  return {
    target: holder.name,
    async inject() {
      cancelDeadMan = await context.deadMan.powerOnLater(holder.name);
      await holder.powerOff();
    },
    async prove() {
      const state = await holder.state();
      if (state !== "off") return { tookEffect: false, proof: `${holder.name} is ${state}` };
      const missing = await waitFor(lookForMove, { deadlineMs: MOVE_DEADLINE_MS, intervalMs: 100 });
      return {
        tookEffect: true,
        proof: `${holder.name} is off; ${missing ?? `the address is on ${movedTo}`}`,
      };
    },
    async heal() {
      if ((await holder.state()) === "off") await holder.powerOn();
      cancelDeadMan?.();
    },
    async recovered() {
      // Back as BACKUP: taking the address again would be a second interruption.
      const holders = await vipHolders(context);
      if (!holders.includes(holder)) return null;
      return holders.length === 1
        ? `${holder.name} took the address back`
        : `the address is on ${holders.map(({ name }) => name).join(" and ")}`;
    },
    recoveredBy: () =>
      Promise.resolve(
        movedTo === null ? `${holder.name} was powered on` : `keepalived moved the address to ${movedTo}`,
      ),
  };
}

/** Null, or why the host could not hold the address and serve. */
function unhealthyEntry(entry: Observed<EntryStatus>): string | null {
  if (!entry.reachable) return entry.why;
  if (entry.keepalived !== "master" && entry.keepalived !== "backup")
    return `keepalived: ${entry.keepalived}`;
  for (const [unit, state] of Object.entries(entry.units)) {
    if (state !== "active") return `${unit} is ${state}`;
  }
  return entry.servers === null ? "HAProxy does not answer" : null;
}

/** Entry hosts that are running and have the virtual address on an interface. */
async function vipHolders(context: FaultContext): Promise<Machine[]> {
  const { vip } = context.topology.entry.address;
  const holders: Machine[] = [];
  for (const machine of machinesNamed(context, context.topology.entry.hosts)) {
    if ((await machine.state()) === "running" && (await addressesOf(machine)).includes(vip))
      holders.push(machine);
  }
  return holders;
}

async function addressesOf(machine: Machine): Promise<string[]> {
  const { code, stdout, stderr } = await machine.run(["ip", "-json", "address"], { timeoutMs: 5000 });
  if (code !== 0) throw new HoldfastError(`${machine.name}: ip address failed: ${stderr.trim()}`);
  const links = JSON.parse(stdout) as { addr_info?: { local?: string }[] }[];
  return links.flatMap((link) => (link.addr_info ?? []).flatMap(({ local }) => local ?? []));
}
