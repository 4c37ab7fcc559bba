/** Secondary private addresses and IPv6 addresses of network interfaces. */
import {
  type Action,
  associationOn,
  type Call,
  type Ec2State,
  findInterface,
  type Interface,
  interfacesOf,
} from "./account.ts";
import { without } from "./addresses.ts";
import { Ec2Error } from "./errors.ts";
import { contains, highestFree, parseSubnet } from "../subnet.ts";

/** How many addresses one interface may have: as a large instance type has it. */
const addressLimit = 50;

/** An address that another interface has is taken from it with `AllowReassignment`, and its Elastic IP comes with it. */
export const assignPrivateIpAddresses: Action = (call) => {
  const { params, state, config } = call;
  const target = findInterface(call, params.required("NetworkInterfaceId"));
  const mayTake = params.flag("AllowReassignment") ?? false;
  const wanted = wantedAddresses(call);
  for (const address of wanted) {
    const owner = interfacesOf(config, state).find(({ addresses }) => addresses.includes(address));
    if (owner !== undefined && owner.id !== target.id) requireMovable(owner, address, mayTake);
  }
  const added = wanted.filter((address) => !target.addresses.includes(address));
  if (target.addresses.length + added.length > addressLimit) {
    throw new Ec2Error(
      "PrivateIpAddressLimitExceeded",
      `Number of private addresses will exceed limit of ${addressLimit}.`,
    );
  }
  const others = Object.entries(state.secondary).map(([id, addresses]): [string, string[]] => [
    id,
    addresses.filter((address) => !added.includes(address)),
  ]);
  const secondary = {
    ...Object.fromEntries(others),
    [target.id]: [...target.addresses.slice(1), ...added],
  };
  const associations = Object.entries(state.associations).map(([allocation, association]) => [
    allocation,
    added.includes(association.privateIp) ? { ...association, interfaceId: target.id } : association,
  ]);
  return {
    state: {
      ...state,
      sequence: state.sequence + 1,
      secondary,
      associations: Object.fromEntries(associations) as Ec2State["associations"],
    },
    answer: {
      return: true,
      networkInterfaceId: target.id,
      assignedPrivateIpAddressesSet: wanted.map((privateIpAddress) => ({ privateIpAddress })),
    },
  };
};

/** An Elastic IP on an address that goes is disassociated. */
export const unassignPrivateIpAddresses: Action = ({ params, state, config }) => {
  const target = findInterface({ config, state }, params.required("NetworkInterfaceId"));
  const wanted = params.list("PrivateIpAddress");
  if (wanted.length === 0) {
    throw new Ec2Error("MissingParameter", "The request must contain the parameter privateIpAddresses");
  }
  const [primary, ...secondary] = target.addresses;
  if (primary !== undefined && wanted.includes(primary)) {
    throw new Ec2Error(
      "InvalidParameterValue",
      `${primary} is the primary private address of ${target.id} and cannot be unassigned`,
    );
  }
  const missing = wanted.filter((address) => !secondary.includes(address));
  if (missing.length > 0) {
    throw new Ec2Error(
      "InvalidParameterValue",
      `Some of ${list(missing)} are not assigned to interface ${target.id}`,
    );
  }
  const freed = wanted.reduce((before, address) => {
    const association = associationOn(config, before, address);
    return association === undefined ? before : without(before, association.id);
  }, state);
  const left = secondary.filter((address) => !wanted.includes(address));
  return {
    state: {
      ...freed,
      sequence: freed.sequence + 1,
      secondary: { ...freed.secondary, [target.id]: left },
    },
    answer: { return: true },
  };
};

/** An IPv6 address is never taken from another interface: it has to be unassigned there first. */
export const assignIpv6Addresses: Action = (call) => {
  const { params, state, config } = call;
  const target = findInterface(call, params.required("NetworkInterfaceId"));
  const wanted = params.list("Ipv6Addresses").map(ipv6);
  if (wanted.length === 0) {
    throw new Ec2Error("MissingParameter", "The request must contain the parameter ipv6Addresses");
  }
  const taken = interfacesOf(config, state).find(
    ({ id, ipv6 }) => id !== target.id && ipv6.some((address) => wanted.includes(address)),
  );
  if (taken !== undefined) {
    throw new Ec2Error("InvalidParameterValue", `${list(wanted)} is already assigned to ${taken.id}`);
  }
  const addresses = [...new Set([...target.ipv6, ...wanted])];
  return {
    state: { ...state, sequence: state.sequence + 1, ipv6: { ...state.ipv6, [target.id]: addresses } },
    answer: { networkInterfaceId: target.id, assignedIpv6Addresses: wanted },
  };
};

export const unassignIpv6Addresses: Action = (call) => {
  const { params, state } = call;
  const target = findInterface(call, params.required("NetworkInterfaceId"));
  const wanted = params.list("Ipv6Addresses").map(ipv6);
  const missing = wanted.filter((address) => !target.ipv6.includes(address));
  if (wanted.length === 0 || missing.length > 0) {
    throw new Ec2Error(
      "InvalidParameterValue",
      `Some of ${list(missing)} are not assigned to interface ${target.id}`,
    );
  }
  const left = target.ipv6.filter((address) => !wanted.includes(address));
  return {
    state: { ...state, sequence: state.sequence + 1, ipv6: { ...state.ipv6, [target.id]: left } },
    answer: { networkInterfaceId: target.id, unassignedIpv6Addresses: wanted },
  };
};

/** The addresses named, or as many free ones of the subnet as asked for. */
function wantedAddresses({ params, config, state }: Call): string[] {
  const named = params.list("PrivateIpAddress");
  const count = params.count("SecondaryPrivateIpAddressCount", 1, addressLimit);
  if (named.length > 0 && count !== undefined) {
    throw new Ec2Error(
      "InvalidParameterCombination",
      "You may specify either privateIpAddresses or secondaryPrivateIpAddressCount, not both",
    );
  }
  if (named.length === 0 && count === undefined) {
    throw new Ec2Error(
      "MissingParameter",
      "Either secondaryPrivateIpAddressCount or privateIpAddresses must be specified",
    );
  }
  const subnet = parseSubnet(config.subnet);
  const outside = named.find((address) => !isIpv4(address) || !contains(subnet, address));
  if (outside !== undefined) {
    throw new Ec2Error(
      "InvalidParameterValue",
      `Address ${outside} does not fall within the subnet's address range`,
    );
  }
  if (count === undefined) return [...new Set(named)];
  const taken = interfacesOf(config, state).flatMap(({ addresses }) => addresses);
  // The five highest are left alone: the lab's own addresses (its host, its clients, the gateway) are there.
  return highestFree(subnet, taken, count + 5).slice(5);
}

function requireMovable(owner: Interface, address: string, mayTake: boolean): void {
  if (owner.addresses[0] === address) {
    throw new Ec2Error("InvalidParameterValue", `${address} is the primary private address of ${owner.id}`);
  }
  if (mayTake) return;
  throw new Ec2Error(
    "InvalidParameterValue",
    `IPs ${list([address])} are already assigned to another interface but reassignment is not allowed`,
  );
}

const isIpv4 = (text: string): boolean => /^(\d{1,3}\.){3}\d{1,3}$/.test(text);
const list = (addresses: readonly string[]): string => `[${addresses.join(", ")}]`;

/** The one canonical spelling: how the URL standard writes it. */
function ipv6(text: string): string {
  if (/^[0-9a-fA-F:.]+$/.test(text) && URL.canParse(`http://[${text}]`)) {
    return new URL(`http://[${text}]`).hostname.slice(1, -1);
  }
  throw new Ec2Error("InvalidParameterValue", `Value (${text}) for parameter ipv6Addresses is invalid.`);
}
