/**
 * The sections of a topology that are well-formed, each on its own, so that mistakes between sections
 * are found in the same run as mistakes within one.
 */
import { z } from "zod";
import { isRecord } from "./shape.ts";
import { topologySchema, type Topology, type TopologyHost } from "./schema.ts";

export type Sections = Partial<Omit<Topology, "hosts">> & {
  /** Hosts that are well-formed. */
  readonly hosts: Record<string, TopologyHost>;
  /** Keys at the top of the file, well-formed or not. */
  readonly keys: ReadonlySet<string>;
  /** Names of all hosts, well-formed or not; undefined when `hosts` is not even a mapping. */
  readonly hostNames: ReadonlySet<string> | undefined;
  /** The clients' address, when it is an address. */
  readonly clientAddress: { readonly key: "vip" | "publicAddress"; readonly address: string } | undefined;
  /** Host names that each tier lists, well-formed otherwise or not. */
  readonly tiers: readonly { readonly tier: TierName; readonly hosts: readonly string[] }[];
};

export function wellFormedSections(data: unknown): Sections {
  const raw = isRecord(data) ? data : {};
  const sections: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(topologySchema.shape)) {
    const parsed = schema.safeParse(raw[key]);
    if (parsed.success && parsed.data !== undefined) sections[key] = parsed.data;
  }
  const rawHosts = isRecord(raw["hosts"]) ? raw["hosts"] : undefined;
  const hosts: Record<string, TopologyHost> = {};
  for (const [name, host] of Object.entries(rawHosts ?? {})) {
    const parsed = topologySchema.shape.hosts.safeParse({ [name]: host });
    const value = parsed.success && Object.hasOwn(parsed.data, name) ? parsed.data[name] : undefined;
    if (value !== undefined) hosts[name] = value;
  }
  const hostNames = rawHosts === undefined ? undefined : new Set(Object.keys(rawHosts));
  return {
    ...(sections as Partial<Topology>),
    keys: new Set(Object.keys(raw)),
    hosts,
    hostNames,
    tiers: tierHosts(raw),
    clientAddress: clientAddressOf(raw),
  };
}

/** Tiers that run on hosts. */
export const tierNames = ["entry", "app", "database", "coordination", "cache"] as const;
export type TierName = (typeof tierNames)[number];

function tierHosts(raw: Record<string, unknown>): Sections["tiers"] {
  return tierNames.flatMap((tier) => {
    const section = raw[tier];
    const hosts = isRecord(section) ? section["hosts"] : undefined;
    if (!Array.isArray(hosts) || !hosts.every((host) => typeof host === "string")) return [];
    return [{ tier, hosts }];
  });
}

function clientAddressOf(raw: Record<string, unknown>): Sections["clientAddress"] {
  const section = isRecord(raw["entry"]) ? raw["entry"]["address"] : undefined;
  if (!isRecord(section)) return undefined;
  const key = section["kind"] === "elastic-ip" ? "publicAddress" : "vip";
  const { success, data } = z.ipv4().safeParse(section[key]);
  return success ? { key, address: data } : undefined;
}
