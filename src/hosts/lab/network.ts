/**
 * A lab's network: a switch (a bridge in its own network namespace), a namespace per machine, one
 * for the clients, and one link to the operator's host. The host's firewall, routes and bridge
 * hooks never see the traffic between machines; removing the namespaces removes everything.
 */
import { readdir, stat } from "node:fs/promises";
import { exec, execOk } from "../../lib/exec.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { poll } from "../../lib/retry.ts";
import * as names from "./names.ts";
import { overlaps, parseSubnet } from "./subnet.ts";

export interface NetworkSpec {
  readonly lab: string;
  readonly subnet: string;
  /** Name of the interface in every machine. */
  readonly interface: string;
  /** Addresses of the operator's host and of the clients' namespace in the subnet. */
  readonly hostAddress: string;
  readonly clientAddress: string;
  /** Of the lab's router in the subnet, where there is one: the machines' default gateway. */
  readonly gatewayAddress?: string;
}

/** Makes the switch, the host's link and the clients' namespace; leaves what is there already. */
export async function createSwitch(spec: NetworkSpec): Promise<void> {
  const { lab } = spec;
  const [switchName, clientName] = [names.switchNamespace(lab), names.clientNamespace(lab)];
  const existing = await namespacesOf(lab);
  const missing = [switchName, clientName].filter((name) => !existing.includes(name));
  await ipBatch(missing.map((name) => `netns add ${name}`));
  const ports = await portsOf(switchName);
  const prefix = parseSubnet(spec.subnet).prefix;
  const link = names.hostLink(lab);
  if (!ports.includes(names.bridge)) {
    await ipBatch(
      [
        // No spanning tree and no forwarding delay: a port forwards the moment its link is up.
        `link add name ${names.bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
        `link set dev ${names.bridge} up`,
        "link set dev lo up",
      ],
      switchName,
    );
  }
  if (!ports.includes(names.clientPort)) {
    await addPort(switchName, names.clientPort, `client0 netns ${clientName}`);
    await ipBatch(
      [
        `addr add ${spec.clientAddress}/${prefix} dev client0`,
        "link set dev client0 up",
        "link set dev lo up",
      ],
      clientName,
    );
  }
  if (!ports.includes(names.hostPort)) {
    await exec(["ip", "link", "del", "dev", link]); // from a creation that was cut between its two ends
    await ipBatch([`link add name ${link} type veth peer name ${names.hostPort} netns ${switchName}`]);
    await ipBatch([`link set dev ${names.hostPort} master ${names.bridge} up`], switchName);
  }
  // Also when the link is there: a creation that was killed may have got no further than the link.
  await ipBatch([`addr replace ${spec.hostAddress}/${prefix} dev ${link}`, `link set dev ${link} up`]);
  await ipBatch(
    [`addr replace ${spec.clientAddress}/${prefix} dev client0`, "link set dev client0 up"],
    clientName,
  );
}

/** Gives a machine its namespace, with one interface on the switch. Replaces what is there. */
export async function plugIn(spec: NetworkSpec, machine: { name: string; address: string }): Promise<void> {
  const namespace = names.machineNamespace(spec.lab, machine.name);
  const port = names.machinePort(machine.name);
  await unplug(spec.lab, machine.name);
  await ipBatch([`netns add ${namespace}`]);
  const mac = names.macAddress(spec.lab, machine.name);
  await addPort(names.switchNamespace(spec.lab), port, `${spec.interface} address ${mac} netns ${namespace}`);
  await ipBatch(
    [
      `addr add ${machine.address}/${parseSubnet(spec.subnet).prefix} brd + dev ${spec.interface}`,
      `link set dev ${spec.interface} up`,
      "link set dev lo up",
      ...(spec.gatewayAddress === undefined ? [] : [`route add default via ${spec.gatewayAddress}`]),
    ],
    namespace,
  );
}

/** Removes a machine's link and namespace. Works when either is missing. */
export async function unplug(lab: string, machine: string): Promise<void> {
  const namespace = names.machineNamespace(lab, machine);
  const switchName = names.switchNamespace(lab);
  if (!(await namespacesOf(lab)).includes(namespace)) return;
  // The port first and by itself: a namespace's own devices go away only some time after its last process.
  await exec(["ip", "-n", switchName, "link", "del", "dev", names.machinePort(machine)]);
  await deleteNamespace(namespace);
}

/** Takes the machine's port on the switch down or up, as pulling and plugging the cable does. */
export async function setLink(lab: string, machine: string, state: "up" | "down"): Promise<void> {
  await ipBatch([`link set dev ${names.machinePort(machine)} ${state}`], names.switchNamespace(lab));
}

/** The cable between the clients' namespace and the switch. */
export const clientCable = (lab: string) => ({
  cutLink: async (): Promise<void> => setClientLink(lab, "down"),
  restoreLink: async (): Promise<void> => setClientLink(lab, "up"),
  async linkIsUp(): Promise<boolean> {
    const argv = ["ip", "-n", names.clientNamespace(lab), "-j", "link", "show", "dev", "client0"];
    const [link] = JSON.parse(await execOk(argv, "reading the clients' link")) as { operstate: string }[];
    return link?.operstate === "UP";
  },
});

async function setClientLink(lab: string, state: "up" | "down"): Promise<void> {
  await ipBatch([`link set dev ${names.clientPort} ${state}`], names.switchNamespace(lab));
}

/** Removes every namespace of the lab and the host's link. */
export async function removeNetwork(lab: string): Promise<void> {
  const namespaces = await namespacesOf(lab);
  if ((await hostLinks()).includes(names.hostLink(lab)))
    await exec(["ip", "link", "del", "dev", names.hostLink(lab)]);
  const switchFirst = namespaces.toSorted((a, b) => a.length - b.length);
  for (const namespace of switchFirst) await deleteNamespace(namespace);
  // The kernel takes links down after their namespace has gone: wait, or a new lab meets the old one's.
  await poll(async () => !(await hostLinks()).includes(names.hostLink(lab)), {
    deadlineMs: 10_000,
    what: `link ${names.hostLink(lab)} to disappear`,
  });
}

export async function namespacesOf(lab: string): Promise<string[]> {
  const all = await readdir("/run/netns").catch(() => []);
  return all.filter((name) => names.ownsNamespace(lab, name));
}

/** Inode numbers of namespaces: how /proc/<pid>/ns/net tells who is in them. */
export async function namespaceInodes(namespaces: readonly string[]): Promise<Set<number>> {
  const entries = await Promise.all(
    namespaces.map((name) =>
      stat(names.namespacePath(name)).then(
        ({ ino }) => ino,
        () => -1,
      ),
    ),
  );
  return new Set(entries.filter((inode) => inode !== -1));
}

/** Names of the links in the operator's own namespace. */
export async function hostLinks(): Promise<string[]> {
  return readdir("/sys/class/net");
}

/**
 * @throws HoldfastError when the subnet overlaps an address or a route that the host has already
 *   (another lab's included): traffic would go the wrong way, silently.
 */
export async function requireFreeSubnet(lab: string, subnet: string): Promise<void> {
  const own = names.hostLink(lab);
  const wanted = parseSubnet(subnet);
  const conflict = (await subnetsInUse()).find(
    (used) => used.link !== own && overlaps(parseSubnet(used.subnet), wanted),
  );
  if (conflict === undefined) return;
  const other = conflict.link.startsWith("hf-") ? " (another Holdfast lab)" : "";
  throw new HoldfastError(
    `subnet ${subnet} overlaps ${conflict.subnet}, which this host uses on ${conflict.link}${other}`,
    {
      fix: "choose another private subnet for network.subnet and the hosts' addresses, or remove what uses this one",
    },
  );
}

async function subnetsInUse(): Promise<{ subnet: string; link: string }[]> {
  const [addresses, routes] = await Promise.all([
    execOk(["ip", "-j", "-4", "addr"], "reading addresses"),
    execOk(["ip", "-j", "-4", "route", "show", "table", "main"], "reading routes"),
  ]);
  const links = JSON.parse(addresses || "[]") as {
    ifname: string;
    addr_info: { local: string; prefixlen: number }[];
  }[];
  const entries = JSON.parse(routes || "[]") as { dst: string; dev?: string; type?: string }[];
  return [
    ...links.flatMap((link) =>
      link.addr_info.map((address) => ({
        subnet: `${address.local}/${address.prefixlen}`,
        link: link.ifname,
      })),
    ),
    ...entries
      .filter((route) => route.dst !== "default")
      .map((route) => ({ subnet: route.dst, link: route.dev ?? `a route of type ${route.type}` })),
  ];
}

/** A port on the switch, and the other end of its cable: `<link> netns <namespace>`. */
export async function addPort(switchName: string, port: string, peer: string): Promise<void> {
  await ipBatch(
    [`link add name ${port} type veth peer name ${peer}`, `link set dev ${port} master ${names.bridge} up`],
    switchName,
  );
}

/** Names of a namespace's links. */
export async function portsOf(namespace: string): Promise<string[]> {
  const text = await execOk(["ip", "-n", namespace, "-j", "link"], `reading the links of ${namespace}`);
  return (JSON.parse(text || "[]") as { ifname: string }[]).map((link) => link.ifname);
}

export async function deleteNamespace(namespace: string): Promise<void> {
  const result = await exec(["ip", "netns", "del", namespace]);
  const left = await readdir("/run/netns").catch(() => [] as string[]);
  if (result.code !== 0 && left.includes(namespace)) {
    throw new HoldfastError(`network namespace ${namespace} could not be removed: ${result.stderr.trim()}`);
  }
}

/**
 * Several `ip` commands in one process, optionally inside a namespace. Every name stands after its
 * keyword (`name`, `dev`): `ip` takes a bare one such as `a` for the beginning of another keyword.
 */
export async function ipBatch(commands: readonly string[], namespace?: string): Promise<void> {
  if (commands.length === 0) return;
  const where = namespace === undefined ? [] : ["-n", namespace];
  await execOk(["ip", ...where, "-batch", "-"], "setting up the lab's network", {
    stdin: `${commands.join("\n")}\n`,
  });
}
