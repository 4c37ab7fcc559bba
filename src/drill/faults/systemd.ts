/** What systemd on a host says of units, read through a Host. */
import type { ServiceTopology } from "../../core/topology/schema.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Host } from "../../ports.ts";

export type UnitProperties = Readonly<Record<string, string>>;

/** @throws HoldfastError when systemctl cannot say */
export async function showUnits(
  host: Host,
  units: readonly string[],
  properties: readonly string[],
): Promise<UnitProperties[]> {
  if (units.length === 0) return [];
  const { code, stdout, stderr } = await host.run([
    "systemctl",
    "show",
    `--property=${["Id", ...properties].join(",")}`,
    "--",
    ...units,
  ]);
  if (code !== 0) throw new HoldfastError(`${host.name}: systemctl show failed: ${stderr.trim()}`);
  return stdout
    .trim()
    .split("\n\n")
    .map((block) => Object.fromEntries(block.split("\n").map(splitProperty)));
}

/** Pids of the units' main processes; those without one are left out. */
export async function mainPids(host: Host, units: readonly string[]): Promise<number[]> {
  const shown = await showUnits(host, units, ["MainPID"]);
  return shown.map((unit) => Number(unit["MainPID"])).filter((pid) => pid > 0);
}

/**
 * The services of the app's unit: itself, or what the target pulls in and runs as the app's user
 * (a target may also want units that are not the app's, such as network-online).
 */
export async function appServices(host: Host, topology: ServiceTopology): Promise<string[]> {
  const { unit, user } = topology.app;
  if (unit.endsWith(".service")) return [unit];
  const kinds = ["Wants", "Requires", "BindsTo", "ConsistsOf"];
  const [target] = await showUnits(host, [unit], kinds);
  const names = kinds.flatMap((key) => (target?.[key] ?? "").split(" "));
  const services = [...new Set(names)].filter((name) => name.endsWith(".service"));
  const shown = await showUnits(host, services, ["User"]);
  const own = shown.filter((service) => service["User"] === user).map((service) => service["Id"] ?? "");
  if (own.length === 0) {
    throw new HoldfastError(`${unit} on ${host.name} has no service that runs as ${user}`, {
      fix: "check `app.unit` and `app.user` in the topology",
    });
  }
  return own.sort();
}

function splitProperty(line: string): [string, string] {
  const equals = line.indexOf("=");
  return [line.slice(0, equals), line.slice(equals + 1)];
}
