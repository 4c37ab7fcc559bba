import { z } from "zod";
import { addressSchema } from "../core/engines/agent/config.ts";
import { entryHealthFile } from "../core/engines/keepalived/render.ts";
import type { Topology } from "../core/topology/schema.ts";
import type { Host } from "../ports.ts";
import { observeHaproxy, type HaproxyServer } from "./haproxy.ts";
import { observeHost, outputOf, packageVersions, unitStates, type Observed } from "./observed.ts";

export interface EntryStatus {
  /** keepalived is master here: the clients' address is this host's, or about to be. */
  readonly holds: boolean;
  /** `fault`: the agent says that the proxy does not serve here. */
  readonly keepalived: "master" | "backup" | "fault" | "stopped";
  readonly units: { readonly proxy: string; readonly keepalived: string; readonly agent: string };
  /** The pools as this host's HAProxy sees them; null when it does not answer, or nginx is the entry's engine. */
  readonly servers: readonly HaproxyServer[] | null;
  /** By package: haproxy or nginx-light, keepalived. */
  readonly versions: Readonly<Record<string, string>>;
}

/** What an entry host does now. Every question is bounded in time. */
export async function observeEntry(host: Host, topology: Topology): Promise<Observed<EntryStatus>> {
  return observeHost(host, async () => {
    const { engine } = topology.entry;
    const [holds, health, servers, versions, [proxy, keepalived, agent]] = await Promise.all([
      holdsAddress(host, topology),
      outputOf(host, ["cat", entryHealthFile]),
      engine === "haproxy" ? observeHaproxy(host) : null,
      packageVersions(host, [engine === "haproxy" ? "haproxy" : "nginx-light", "keepalived"]),
      unitStates(host, [proxyUnit(topology), "keepalived.service", "holdfast-agent.service"]),
    ]);
    const fault = health !== null && health.trim() !== "0";
    return {
      holds,
      keepalived: keepalivedState({ running: keepalived === "active", holds, fault }),
      units: { proxy, keepalived, agent },
      servers,
      versions,
    };
  });
}

/** keepalived tells its state to nobody but its log; what it does with the address shows it. */
function keepalivedState(seen: {
  running: boolean;
  holds: boolean;
  fault: boolean;
}): EntryStatus["keepalived"] {
  if (!seen.running) return "stopped";
  if (seen.holds) return "master";
  return seen.fault ? "fault" : "backup";
}

/** The unit of the entry's engine. */
export const proxyUnit = ({ entry }: Topology): string => `${entry.engine}.service`;

/** Whether the clients' address is this host's: by its interface, or by what its agent knows of EC2 while it is master. */
export async function holdsAddress(host: Host, topology: Topology): Promise<boolean> {
  const { address } = topology.entry;
  if (address.kind === "elastic-ip") {
    return holdsElasticIp(await outputOf(host, ["cat", statusFile]));
  }
  const { interface: name } = topology.network;
  const output = await outputOf(host, ["ip", "-4", "-o", "address", "show", "dev", name]);
  return output?.includes(` inet ${address.vip}/`) ?? false;
}

const statusFile = addressSchema.shape.statusFile.parse(undefined);
const statusSchema = z.object({ role: z.string(), addresses: z.array(z.object({ here: z.boolean() })) });

function holdsElasticIp(text: string | null): boolean {
  if (text === null) return false;
  const { data } = statusSchema.safeParse(JSON.parse(text));
  return data?.role === "master" && data.addresses.every(({ here }) => here);
}
