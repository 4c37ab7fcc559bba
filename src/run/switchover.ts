import { countConnections, type HandoverPart, pass, receive } from "../core/engines/entry-handover.ts";
import { entryHealthFile } from "../core/engines/keepalived/render.ts";
import type { Topology } from "../core/topology/schema.ts";
import { holdsAddress, observeEntry, proxyUnit } from "../engines/entry.ts";
import { HoldfastError } from "../lib/errors.ts";
import { lastLines } from "../lib/exec.ts";
import { poll } from "../lib/retry.ts";
import type { Host, Reporter } from "../ports.ts";

/** So long a client's connection may take to end with the answer in hand; then it is cut, and told. */
const DRAIN_MS = 15_000;
const MOVE_MS = 10_000;

export interface Switchover {
  readonly from: string;
  readonly to: string;
  /** Connections that did not end in time, and were cut. */
  readonly cut: number;
}

/** Who would give the clients' address to whom. @throws HoldfastError when nobody stands by for it */
export async function planSwitchover(
  topology: Topology,
  hosts: ReadonlyMap<string, Host>,
): Promise<{ readonly from: Host; readonly to: Host }> {
  const seen = await Promise.all(
    topology.entry.hosts.flatMap((name) => {
      const host = hosts.get(name);
      return host === undefined ? [] : [observeEntry(host, topology).then((status) => ({ host, status }))];
    }),
  );
  const holder = seen.find(({ status }) => status.reachable && status.holds);
  const standby = seen.find(
    ({ status }) =>
      status.reachable &&
      status.keepalived === "backup" &&
      Object.values(status.units).every((state) => state === "active"),
  );
  if (holder === undefined || standby === undefined) {
    const found = holder === undefined ? "nobody holds the address" : "nobody stands by for the address";
    throw new HoldfastError(found, { fix: "look at `holdfast status`, and bring the entry back first" });
  }
  return { from: holder.host, to: standby.host };
}

/**
 * Moves the clients' address to the host that stands by. A virtual address moves without a failed
 * request; an Elastic IP's connections end with the move, which is EC2's.
 * @throws HoldfastError when it does not move; what was changed for it is undone
 */
export async function switchOverEntry(
  topology: Topology,
  hosts: ReadonlyMap<string, Host>,
  reporter: Reporter,
): Promise<Switchover> {
  const { from, to } = await planSwitchover(topology, hosts);
  const task = reporter.task(`the clients' address goes from ${from.name} to ${to.name}`);
  try {
    const cut =
      topology.entry.address.kind === "vip"
        ? await drained(topology, from, to)
        : await moved(topology, from, to);
    task.done();
    return { from: from.name, to: to.name, cut };
  } catch (error) {
    task.fail((error as Error).message);
    throw error;
  }
}

async function drained(topology: Topology, from: Host, to: Host): Promise<number> {
  const link = { own: await linkAddress(topology, from), other: await linkAddress(topology, to) };
  const parts: readonly [Host, HandoverPart][] = [
    [to, receive(topology)],
    [from, pass(topology, link)],
  ];
  try {
    for (const [host, part] of parts) await run(host, part.begin, "prepare the handover");
    await run(from, `systemctl reload ${proxyUnit(topology)}`, "reload the proxy");
    const left = await drain(topology, from);
    await moved(topology, from, to);
    return left;
  } finally {
    // The old holder first: what it passes on must find the address at the other.
    for (const [host, part] of parts.toReversed())
      await host.run(["sh", "-c", part.end]).catch(() => undefined);
  }
}

async function linkAddress({ network }: Topology, host: Host): Promise<string> {
  return (await run(host, `cat /sys/class/net/${network.interface}/address`, "read its link address")).trim();
}

/** @returns how many connections were left after the time that they have */
async function drain(topology: Topology, from: Host): Promise<number> {
  let left = 0;
  const ended = async (): Promise<boolean> => {
    left = Number(await run(from, countConnections(topology), "count connections"));
    return left === 0;
  };
  await poll(ended, { deadlineMs: DRAIN_MS, intervalMs: 50, what: "connections to end" }).catch(
    (error: unknown) => {
      if (!(error instanceof HoldfastError) || left === 0) throw error;
    },
  );
  return left;
}

/** The old holder says once that it is not well: keepalived gives the address away, and the agent takes it back at once. */
async function moved(topology: Topology, from: Host, to: Host): Promise<0> {
  const fault = `printf '1\\n' > ${entryHealthFile}.handover && mv ${entryHealthFile}.handover ${entryHealthFile}`;
  await run(from, fault, "give the address away");
  await poll(async () => (await holdsAddress(to, topology)) && !(await holdsAddress(from, topology)), {
    deadlineMs: MOVE_MS,
    intervalMs: 50,
    what: `${to.name} to hold the address`,
    fix: "look at `holdfast status`",
  });
  return 0;
}

async function run(host: Host, script: string, what: string): Promise<string> {
  const { code, stdout, stderr } = await host.run(["sh", "-s"], { stdin: `${script}\n` });
  if (code === 0) return stdout;
  throw new HoldfastError(`${host.name}: cannot ${what}: ${lastLines(stderr || stdout, 3)}`);
}
