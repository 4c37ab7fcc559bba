/**
 * The router's packet rules, rendered whole from what EC2 knows. Addresses are rewritten in every
 * packet by itself, with no memory of flows: after a move also the packets of established
 * connections go to the new owner, as on AWS.
 */
import { associationOn, type Ec2State, interfacesOf } from "./account.ts";
import type { Behaviour } from "./behaviour.ts";
import type { Ec2Config } from "./config.ts";
import { apiAddress, metadataAddress } from "./identifiers.ts";

export interface Mapping {
  readonly publicIp: string;
  readonly privateIp: string;
}

/** Elastic IPs, and instances' own public addresses where none is in their place. */
export function mappings(config: Ec2Config, state: Ec2State): Mapping[] {
  const elastic = config.allocations.flatMap(({ id, publicIp }) => {
    const association = state.associations[id];
    return association === undefined ? [] : [{ publicIp, privateIp: association.privateIp }];
  });
  const own = config.instances.flatMap(({ publicIp, interfaces }) => {
    const privateIp = interfaces[0]?.addresses[0];
    if (publicIp === undefined || privateIp === undefined) return [];
    return associationOn(config, state, privateIp) === undefined ? [{ publicIp, privateIp }] : [];
  });
  return [...elastic, ...own];
}

const table = "ip holdfast_ec2";

/** For `nft -f`: replaces the rules that are there in one step. */
export function renderRules(config: Ec2Config, state: Ec2State, behaviour: Behaviour): string {
  const pairs = mappings(config, state);
  const addressesOf = (instances: readonly string[]): string[] =>
    interfacesOf(config, state)
      .filter(({ instance }) => instances.includes(instance.id))
      .flatMap(({ addresses }) => addresses);
  const lost = [
    ...addressesOf(behaviour.cut).map((address) => `ip saddr ${address} ip daddr ${apiAddress} drop`),
    ...addressesOf(behaviour.metadataCut).map(
      (address) => `ip saddr ${address} ip daddr ${metadataAddress} drop`,
    ),
  ];
  return `table ${table}
delete table ${table}
table ${table} {
  chain translate {
    type filter hook prerouting priority raw; policy accept;
    fib daddr type local accept
${lines([...pairs.flatMap(errorRules), ...pairs.flatMap(addressRules)])}
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr ${config.subnet} drop comment "no public address"
  }
  chain input {
    type filter hook input priority filter; policy accept;
${lines(lost)}
  }
  chain output {
    type filter hook output priority filter; policy accept;
    ip saddr ${metadataAddress} ip ttl set ${config.metadataHopLimit}
  }
}
`;
}

const lines = (rules: readonly string[]): string => rules.map((rule) => `    ${rule}`).join("\n");

function addressRules({ publicIp, privateIp }: Mapping): string[] {
  return [`ip saddr ${privateIp} ip saddr set ${publicIp}`, `ip daddr ${publicIp} ip daddr set ${privateIp}`];
}

/**
 * An ICMP error quotes the packet that it is about, with the addresses of its own side: they are
 * rewritten too, or "port unreachable" never reaches the socket. nft writes there without correcting
 * ICMP's checksum, so a 16-bit field that is unused in these errors (RFC 792) takes the difference:
 * bytes 4 and 5 of the header for the quoted destination, 6 and 7 for the quoted source (they hold
 * the MTU in code 4, which is left alone: every link of the lab has the same).
 */
function errorRules({ publicIp, privateIp }: Mapping): string[] {
  const error = "icmp type { destination-unreachable, time-exceeded }";
  const [inside, outside] = [toNumber(privateIp), toNumber(publicIp)];
  return [
    `${error} @th,192,32 ${hex(inside)} @th,32,16 0 @th,192,32 set ${hex(outside)} @th,32,16 set ${hex(difference(inside, outside))}`,
    `${error} @th,160,32 ${hex(outside)} @th,48,16 0 @th,160,32 set ${hex(inside)} @th,48,16 set ${hex(difference(outside, inside))}`,
  ];
}

/** What must be added, in ones' complement, so that `after` in place of `before` leaves the sum as it was. */
export function difference(before: number, after: number): number {
  const fold = (sum: number): number => (sum > 0xffff ? fold((sum & 0xffff) + (sum >>> 16)) : sum);
  const sum = (number: number): number => fold((number >>> 16) + (number & 0xffff));
  return fold(sum(before) + (0xffff - sum(after)));
}

function toNumber(address: string): number {
  return address.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}

const hex = (number: number): string => `0x${number.toString(16)}`;
