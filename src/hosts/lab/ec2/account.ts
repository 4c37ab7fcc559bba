/** What EC2 knows of the account: the configuration, and what calls have changed since. */
import { createHash } from "node:crypto";
import type { Behaviour } from "./behaviour.ts";
import type { Ec2Config, InstanceConfig } from "./config.ts";
import { Ec2Error } from "./errors.ts";
import type { Params } from "./query.ts";
import type { Xml } from "./xml.ts";

export interface Association {
  readonly id: string;
  readonly interfaceId: string;
  readonly privateIp: string;
}

/** All that calls change; small, kept in a file between lives of the endpoint. */
export interface Ec2State {
  /** Counts changes; ids are derived from it, so that none is ever used twice. */
  readonly sequence: number;
  /** By allocation id. */
  readonly associations: Readonly<Record<string, Association>>;
  /** Secondary private addresses by interface id. */
  readonly secondary: Readonly<Record<string, readonly string[]>>;
  /** IPv6 addresses by interface id. */
  readonly ipv6: Readonly<Record<string, readonly string[]>>;
}

export interface Call {
  readonly config: Ec2Config;
  readonly behaviour: Behaviour;
  readonly state: Ec2State;
  /** The account as DescribeAddresses sees it: maybe some time ago. */
  readonly seen: Ec2State;
  readonly params: Params;
}

export interface Outcome {
  readonly state: Ec2State;
  readonly answer: Xml;
}

export type Action = (call: Call) => Outcome;

export function initialState(config: Ec2Config): Ec2State {
  const secondary = config.instances.flatMap(({ interfaces }) =>
    interfaces.map(({ id, addresses }): [string, string[]] => [id, addresses.slice(1)]),
  );
  return { sequence: 0, associations: {}, secondary: Object.fromEntries(secondary), ipv6: {} };
}

/** Everything about a network interface in one place. */
export interface Interface {
  readonly id: string;
  readonly mac: string;
  readonly instance: InstanceConfig;
  readonly deviceIndex: number;
  /** The primary address first. */
  readonly addresses: readonly string[];
  readonly ipv6: readonly string[];
}

export function interfacesOf(config: Ec2Config, state: Ec2State): Interface[] {
  return config.instances.flatMap((instance) =>
    instance.interfaces.map(({ id, mac, addresses: [primary = ""] }, deviceIndex) => ({
      id,
      mac,
      instance,
      deviceIndex,
      addresses: [primary, ...(state.secondary[id] ?? [])],
      ipv6: state.ipv6[id] ?? [],
    })),
  );
}

export function findInterface(call: Pick<Call, "config" | "state">, id: string): Interface {
  requireForm(id, "eni", "InvalidNetworkInterfaceID.Malformed", "networkInterfaceId");
  const found = interfacesOf(call.config, call.state).find((candidate) => candidate.id === id);
  if (found !== undefined) return found;
  throw new Ec2Error("InvalidNetworkInterfaceID.NotFound", `The networkInterface ID '${id}' does not exist`);
}

export function findInstance({ config }: Pick<Call, "config">, id: string): InstanceConfig {
  requireForm(id, "i", "InvalidInstanceID.Malformed", "instanceId");
  const found = config.instances.find((instance) => instance.id === id);
  if (found !== undefined) return found;
  throw new Ec2Error("InvalidInstanceID.NotFound", `The instance ID '${id}' does not exist`);
}

/** The Elastic IP on a private address, if there is one. */
export function associationOn(config: Ec2Config, state: Ec2State, privateIp: string) {
  return config.allocations.flatMap((allocation) => {
    const association = state.associations[allocation.id];
    return association?.privateIp === privateIp ? [{ ...allocation, association }] : [];
  })[0];
}

/** A new id, such as "eipassoc-…": the same for the same history, never the same twice in one. */
export function newId(prefix: string, state: Ec2State): string {
  const hash = createHash("sha256").update(`${prefix}/${state.sequence}`).digest("hex");
  return `${prefix}-${hash.slice(0, 17)}`;
}

function requireForm(id: string, prefix: string, code: string, what: string): void {
  if (new RegExp(`^${prefix}-([0-9a-f]{8}|[0-9a-f]{17})$`).test(id)) return;
  throw new Ec2Error(code, `Invalid id: "${id}" for ${what} (expecting "${prefix}-...")`);
}
