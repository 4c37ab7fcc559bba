import {
  type Action,
  associationOn,
  type Call,
  findInterface,
  type Interface,
  interfacesOf,
} from "./account.ts";
import { privateDnsName } from "./identifiers.ts";
import { matches, paged } from "./query.ts";
import type { Xml } from "./xml.ts";

export const describeNetworkInterfaces: Action = (call) => {
  const { params, state, config } = call;
  const ids = params.list("NetworkInterfaceId");
  for (const id of ids) findInterface(call, id);
  const filters = params.filters();
  const found = interfacesOf(config, state).filter(
    (candidate) =>
      (ids.length === 0 || ids.includes(candidate.id)) &&
      matches(filters, (name) => attribute(call, candidate, name)),
  );
  const { page, nextToken } = paged(params, found);
  const networkInterfaceSet = page.map((networkInterface) => interfaceXml(call, networkInterface));
  return { state, answer: { networkInterfaceSet, nextToken } };
};

/** As DescribeNetworkInterfaces says it; DescribeInstances has most of the same elements. */
export function interfaceXml(
  call: Pick<Call, "config" | "state">,
  owned: Interface,
): { readonly [tag: string]: Xml } {
  const { config } = call;
  const { id, mac, instance, deviceIndex, addresses, ipv6 } = owned;
  const [primary = ""] = addresses;
  const privateDns = privateDnsName(config.region, primary);
  return {
    networkInterfaceId: id,
    subnetId: config.subnetId,
    vpcId: config.vpcId,
    availabilityZone: instance.availabilityZone,
    description: "",
    ownerId: config.accountId,
    requesterManaged: false,
    status: "in-use",
    macAddress: mac,
    privateIpAddress: primary,
    privateDnsName: privateDns,
    sourceDestCheck: true,
    groupSet: [],
    attachment: {
      attachmentId: id.replace("eni-", "eni-attach-"),
      instanceId: instance.id,
      instanceOwnerId: config.accountId,
      deviceIndex,
      status: "attached",
      deleteOnTermination: true,
    },
    ...associationXml(call, primary),
    tagSet: [],
    privateIpAddressesSet: addresses.map((privateIpAddress, index) => ({
      privateIpAddress,
      privateDnsName: privateDnsName(config.region, privateIpAddress),
      primary: index === 0,
      ...associationXml(call, privateIpAddress),
    })),
    ipv6AddressesSet: ipv6.map((ipv6Address) => ({ ipv6Address })),
    interfaceType: "interface",
  };
}

function associationXml({ config, state }: Pick<Call, "config" | "state">, privateIp: string) {
  const elastic = associationOn(config, state, privateIp);
  if (elastic !== undefined) {
    const { publicIp, id: allocationId, association } = elastic;
    return {
      association: { publicIp, ipOwnerId: config.accountId, allocationId, associationId: association.id },
    };
  }
  const publicIp = config.instances.find(
    ({ interfaces }) => interfaces[0]?.addresses[0] === privateIp,
  )?.publicIp;
  return publicIp === undefined ? {} : { association: { publicIp, ipOwnerId: "amazon" } };
}

function attribute(
  { config, state }: Call,
  { id, mac, instance, deviceIndex, addresses, ipv6 }: Interface,
  name: string,
): string[] | undefined {
  const elastic = () => addresses.flatMap((address) => associationOn(config, state, address) ?? []);
  const attributes: Readonly<Record<string, () => string[]>> = {
    "addresses.private-ip-address": () => [...addresses],
    "addresses.association.public-ip": () => elastic().map(({ publicIp }) => publicIp),
    "association.allocation-id": () => elastic().map((address) => address.id),
    "association.association-id": () => elastic().map(({ association }) => association.id),
    "association.public-ip": () => elastic().map(({ publicIp }) => publicIp),
    "attachment.device-index": () => [String(deviceIndex)],
    "attachment.instance-id": () => [instance.id],
    "attachment.status": () => ["attached"],
    "availability-zone": () => [instance.availabilityZone],
    "ipv6-addresses.ipv6-address": () => [...ipv6],
    "mac-address": () => [mac],
    "network-interface-id": () => [id],
    "private-dns-name": () => [privateDnsName(config.region, addresses[0] ?? "")],
    "private-ip-address": () => addresses.slice(0, 1),
    status: () => ["in-use"],
    "subnet-id": () => [config.subnetId],
    "vpc-id": () => [config.vpcId],
  };
  return attributes[name]?.();
}
