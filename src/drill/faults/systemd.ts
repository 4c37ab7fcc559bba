/** What systemd on a host says of units, read through a Host. */
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

/** Null, or which of the units is not active. */
export async function inactiveUnit(host: Host, units: readonly string[]): Promise<string | null> {
  const shown = await showUnits(host, units, ["ActiveState"]);
  const inactive = shown.find((unit) => unit["ActiveState"] !== "active");
  return inactive === undefined ? null : `${inactive["Id"]} on ${host.name} is ${inactive["ActiveState"]}`;
}

function splitProperty(line: string): [string, string] {
  const equals = line.indexOf("=");
  return [line.slice(0, equals), line.slice(equals + 1)];
}
