/**
 * The lab's router: a namespace on the switch that is the machines' gateway, the clients' way to
 * public addresses, and the home of the endpoint's process.
 */
import { execOk } from "../../../lib/exec.ts";
import * as names from "../names.ts";
import { addPort, deleteNamespace, ipBatch, namespacesOf, type NetworkSpec, portsOf } from "../network.ts";
import { parseSubnet } from "../subnet.ts";
import { interfacesOf, type Ec2State } from "./account.ts";
import type { Ec2Config } from "./config.ts";
import { apiAddress, clientPublicAddress, metadataAddress, routerPublicAddress } from "./identifiers.ts";

const link = "router0";

/** Makes what is missing; leaves what is there. */
export async function createRouter(
  network: NetworkSpec & { readonly gatewayAddress: string },
): Promise<void> {
  const { lab } = network;
  const [namespace, switchName] = [names.routerNamespace(lab), names.switchNamespace(lab)];
  const existing = await namespacesOf(lab);
  if (!existing.includes(namespace)) await ipBatch([`netns add ${namespace}`]);
  if (!(await portsOf(switchName)).includes(names.routerPort)) {
    await addPort(switchName, names.routerPort, `${link} netns ${namespace}`);
  }
  const prefix = parseSubnet(network.subnet).prefix;
  const addresses = [
    `${network.gatewayAddress}/${prefix}`,
    `${routerPublicAddress}/24`,
    `${apiAddress}/32`,
    `${metadataAddress}/32`,
  ];
  await ipBatch(
    [
      ...addresses.map((address) => `addr replace ${address} dev ${link}`),
      `link set dev ${link} up`,
      "link set dev lo up",
    ],
    namespace,
  );
  // One leg: without the second setting it would tell senders of a shorter way, past the translation.
  const settings = ["ip_forward=1", "conf.all.send_redirects=0", `conf.${link}.send_redirects=0`];
  await execOk(
    [...inNamespace(lab), "sysctl", "-qw", ...settings.map((setting) => `net.ipv4.${setting}`)],
    "setting up the lab's router",
  );
  await ipBatch(
    [
      `addr replace ${clientPublicAddress}/24 dev client0`,
      `route replace default via ${routerPublicAddress} dev client0 src ${clientPublicAddress}`,
    ],
    names.clientNamespace(lab),
  );
  // Machines that run already; the others get it when they are plugged in.
  for (const machine of existing.filter((name) => name.startsWith(names.machineNamespace(lab, "")))) {
    await ipBatch([`route replace default via ${network.gatewayAddress}`], machine);
  }
}

/** Removes the router's namespace, and its port with it. */
export async function removeRouter(lab: string): Promise<void> {
  const namespace = names.routerNamespace(lab);
  if ((await namespacesOf(lab)).includes(namespace)) await deleteNamespace(namespace);
}

/** Command line that runs what follows it in the router's network. */
export function inNamespace(lab: string): string[] {
  return ["nsenter", `--net=${names.namespacePath(names.routerNamespace(lab))}`, "--"];
}

/** Applies rendered rules, from inside the router's network. */
export async function applyRules(rules: string): Promise<void> {
  await execOk(["nft", "-f", "-"], "translating the lab's Elastic IPs", { stdin: rules });
}

/**
 * Delivers every private address to the interface that has it, whoever answers for it on the
 * switch: a VPC knows its interfaces, it does not ask around. From inside the router's network.
 */
export async function applyNeighbours(config: Ec2Config, state: Ec2State): Promise<void> {
  const entries = interfacesOf(config, state).flatMap(({ mac, addresses }) =>
    addresses.map((address) => `neigh replace ${address} lladdr ${mac} dev ${link} nud permanent`),
  );
  await ipBatch(entries);
}
