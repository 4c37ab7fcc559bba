/** DescribeAddresses: reads the account as it is, or as it was when the endpoint is told to be stale. */
import { type Action, interfacesOf } from "./account.ts";
import { Ec2Error } from "./errors.ts";
import { matches } from "./query.ts";
import type { Xml } from "./xml.ts";

export const describeAddresses: Action = ({ config, state, seen, params }) => {
  const ids = params.list("AllocationId");
  const publicIps = params.list("PublicIp");
  const filters = params.filters();
  const missing = ids.find((id) => !config.allocations.some((allocation) => allocation.id === id));
  if (missing !== undefined) {
    throw new Ec2Error("InvalidAllocationID.NotFound", `The allocation ID '${missing}' does not exist`);
  }
  const unknown = publicIps.find((ip) => !config.allocations.some(({ publicIp }) => publicIp === ip));
  if (unknown !== undefined) throw new Ec2Error("InvalidAddress.NotFound", `Address '${unknown}' not found.`);
  const interfaces = interfacesOf(config, seen);
  const addresses = config.allocations.map((allocation): Record<string, string | undefined> => {
    const association = seen.associations[allocation.id];
    const owner = interfaces.find(({ id }) => id === association?.interfaceId);
    return {
      publicIp: allocation.publicIp,
      allocationId: allocation.id,
      domain: "vpc",
      instanceId: owner?.instance.id,
      associationId: association?.id,
      networkInterfaceId: association?.interfaceId,
      networkInterfaceOwnerId: association === undefined ? undefined : config.accountId,
      privateIpAddress: association?.privateIp,
      publicIpv4Pool: "amazon",
      networkBorderGroup: config.region,
    };
  });
  const wanted = addresses.filter(
    ({ allocationId = "", publicIp = "" }) =>
      (ids.length === 0 || ids.includes(allocationId)) &&
      (publicIps.length === 0 || publicIps.includes(publicIp)),
  );
  const found = wanted.filter((address) => matches(filters, (name) => attribute(address, name)));
  return { state, answer: { addressesSet: found as Xml[] } };
};

const filterFields: Readonly<Record<string, string>> = {
  "allocation-id": "allocationId",
  "association-id": "associationId",
  "instance-id": "instanceId",
  "network-border-group": "networkBorderGroup",
  "network-interface-id": "networkInterfaceId",
  "network-interface-owner-id": "networkInterfaceOwnerId",
  "private-ip-address": "privateIpAddress",
  "public-ip": "publicIp",
};

function attribute(address: Record<string, string | undefined>, name: string): string[] | undefined {
  const field = filterFields[name];
  if (field === undefined) return undefined;
  const value = address[field];
  return value === undefined ? [] : [value];
}
