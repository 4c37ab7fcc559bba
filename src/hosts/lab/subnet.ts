/** IPv4 arithmetic of a lab's subnet. */

export interface Subnet {
  readonly first: number;
  readonly last: number;
  readonly prefix: number;
}

/** Parses "10.77.10.0/24"; a missing prefix means one address. @throws Error when it is not IPv4. */
export function parseSubnet(text: string): Subnet {
  const [address = "", prefixText = "32"] = text.split("/");
  const prefix = Number(prefixText);
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > 32) throw new Error(`not an IPv4 subnet: ${text}`);
  const size = 2 ** (32 - prefix);
  const first = Math.floor(parseAddress(address) / size) * size;
  return { first, last: first + size - 1, prefix };
}

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.first <= b.last && b.first <= a.last;
}

export function contains(subnet: Subnet, address: string): boolean {
  const number = parseAddress(address);
  return number >= subnet.first && number <= subnet.last;
}

/** The highest usable addresses (without the broadcast address) that are not in `taken`. */
export function highestFree(subnet: Subnet, taken: readonly string[], count: number): string[] {
  const found: string[] = [];
  for (let number = subnet.last - 1; number > subnet.first && found.length < count; number -= 1) {
    const address = formatAddress(number);
    if (!taken.includes(address)) found.push(address);
  }
  return found;
}

function parseAddress(text: string): number {
  const parts = text.split(".").map(Number);
  const valid =
    parts.length === 4 && parts.every((part) => Number.isInteger(part) && part >= 0 && part <= 255);
  if (!valid) throw new Error(`not an IPv4 address: ${text}`);
  return parts.reduce((number, part) => number * 256 + part, 0);
}

function formatAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}
