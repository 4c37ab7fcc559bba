/** IPv4 addresses and subnets as numbers. Texts are expected to be valid (the schema has checked them). */

export interface Subnet {
  readonly network: number;
  readonly broadcast: number;
  readonly prefix: number;
}

/** "10.77.10.11" -> 172821003 */
export const addressNumber = (text: string): number =>
  text.split(".").reduce((number, octet) => number * 256 + Number(octet), 0);

export const addressText = (number: number): string =>
  [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join(".");

/** "10.77.10.0/24" -> its first and last address; host bits in the text are ignored. */
export function parseSubnet(text: string): Subnet {
  const [address = "0.0.0.0", prefixText = "32"] = text.split("/");
  const prefix = Number(prefixText);
  const size = 2 ** (32 - prefix);
  const network = Math.floor(addressNumber(address) / size) * size;
  return { network, broadcast: network + size - 1, prefix };
}

/** The subnet as text without host bits: "10.77.10.5/24" -> "10.77.10.0/24". */
export function subnetText(subnet: Subnet): string {
  return `${addressText(subnet.network)}/${subnet.prefix}`;
}

export function inSubnet(address: string, subnet: Subnet): boolean {
  const number = addressNumber(address);
  return number >= subnet.network && number <= subnet.broadcast;
}

/** How many addresses hosts may have (network and broadcast address are none). */
export const usableAddresses = (subnet: Subnet): number => Math.max(0, subnet.broadcast - subnet.network - 1);

/**
 * The address with the same offset in another subnet, or undefined when the offset is beyond the
 * other subnet's usable addresses.
 */
export function moveAddress(address: string, from: Subnet, to: Subnet): string | undefined {
  const moved = to.network + (addressNumber(address) - from.network);
  return moved > to.network && moved < to.broadcast ? addressText(moved) : undefined;
}

/** True for addresses that are routed on the Internet (not RFC 1918, RFC 6598 or a test network). */
export function isPublic(address: string): boolean {
  const privateNetworks = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "198.18.0.0/15",
  ];
  return !privateNetworks.some((network) => inSubnet(address, parseSubnet(network)));
}

/** What the subnet cannot be used for, or undefined: loopback, link-local, multicast, reserved. */
export function specialUse(subnet: Subnet): string | undefined {
  const special: Record<string, string> = {
    "0.0.0.0/8": "is reserved (this network)",
    "127.0.0.0/8": "is the loopback network",
    "169.254.0.0/16": "is for link-local addresses",
    "224.0.0.0/4": "is for multicast",
    "240.0.0.0/4": "is reserved",
  };
  for (const [network, use] of Object.entries(special)) {
    const other = parseSubnet(network);
    if (subnet.network <= other.broadcast && other.network <= subnet.broadcast) return use;
  }
  return undefined;
}
