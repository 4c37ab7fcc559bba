import { entryHealthFile } from "../core/engines/keepalived/render.ts";
import type { Topology } from "../core/topology/schema.ts";
import type { Host } from "../ports.ts";
import { observeHaproxy, type HaproxyServer } from "./haproxy.ts";
import { observeHost, outputOf, packageVersions, unitStates, type Observed } from "./observed.ts";

export interface EntryStatus {
  /** The virtual address is on this host's interface. */
  readonly vip: boolean;
  /** `fault`: the agent says that HAProxy does not serve here. */
  readonly keepalived: "master" | "backup" | "fault" | "stopped";
  readonly units: { readonly haproxy: string; readonly keepalived: string; readonly agent: string };
  /** The pools as this host's HAProxy sees them; null when it does not answer. */
  readonly servers: readonly HaproxyServer[] | null;
  /** By package: haproxy, keepalived. */
  readonly versions: Readonly<Record<string, string>>;
}

/** What an entry host does now. Every question is bounded in time. */
export async function observeEntry(host: Host, topology: Topology): Promise<Observed<EntryStatus>> {
  return observeHost(host, async () => {
    const [vip, health, servers, versions, [haproxy, keepalived, agent]] = await Promise.all([
      holdsAddress(host, topology),
      outputOf(host, ["cat", entryHealthFile]),
      observeHaproxy(host),
      packageVersions(host, ["haproxy", "keepalived"]),
      unitStates(host, ["haproxy.service", "keepalived.service", "holdfast-agent.service"]),
    ]);
    const fault = health !== null && health.trim() !== "0";
    return {
      vip,
      keepalived: keepalivedState({ running: keepalived === "active", vip, fault }),
      units: { haproxy, keepalived, agent },
      servers,
      versions,
    };
  });
}

/** keepalived tells its state to nobody but its log; what it does with the address shows it. */
function keepalivedState(seen: {
  running: boolean;
  vip: boolean;
  fault: boolean;
}): EntryStatus["keepalived"] {
  if (!seen.running) return "stopped";
  if (seen.vip) return "master";
  return seen.fault ? "fault" : "backup";
}

async function holdsAddress(host: Host, topology: Topology): Promise<boolean> {
  const { vip } = topology.entry.address;
  const output = await outputOf(host, [
    "ip",
    "-4",
    "-o",
    "address",
    "show",
    "dev",
    topology.network.interface,
  ]);
  return output?.includes(` inet ${vip}/`) ?? false;
}
