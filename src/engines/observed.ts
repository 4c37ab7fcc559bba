import { HostUnreachable } from "../lib/errors.ts";
import type { Host, RunOptions } from "../ports.ts";

/** What was seen on a host, or why nothing could be: a host that is down is an answer, not an error. */
export type Observed<T> =
  | ({ readonly host: string; readonly reachable: true } & T)
  | { readonly host: string; readonly reachable: false; readonly why: string };

/** Milliseconds that looking at one thing on one host may take. */
export const observeTimeoutMs = 5000;

/**
 * Looks at a host through `look`; an unreachable host becomes data.
 * @throws what `look` throws, besides HostUnreachable
 */
export async function observeHost<T>(host: Host, look: () => Promise<T>): Promise<Observed<T>> {
  try {
    return { host: host.name, reachable: true, ...(await look()) };
  } catch (error) {
    if (error instanceof HostUnreachable) return { host: host.name, reachable: false, why: error.message };
    throw error;
  }
}

/** Standard output of a command that ended well within the time, else null. */
export async function outputOf(
  host: Host,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<string | null> {
  const { code, stdout } = await host.run(argv, { timeoutMs: observeTimeoutMs, ...options });
  return code === 0 ? stdout : null;
}

/** systemd's word for each unit: active, activating, reloading, failed, inactive, ...; `unknown` when it does not say. */
export async function unitStates<const Units extends readonly string[]>(
  host: Host,
  units: Units,
): Promise<{ readonly [Index in keyof Units]: string }> {
  const { stdout } = await host.run(["systemctl", "is-active", ...units], { timeoutMs: observeTimeoutMs });
  const words = stdout.split("\n").map((line) => line.trim());
  return units.map((_, index) => words[index] || "unknown") as { readonly [Index in keyof Units]: string };
}

/** As `unitStates`, for one. */
export const unitState = async (host: Host, unit: string): Promise<string> =>
  (await unitStates(host, [unit]))[0];

/** Installed version of each package by name; those not installed are absent. */
export async function packageVersions(
  host: Host,
  packages: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  // Exits 1 when one is missing, having told of the others.
  const { stdout } = await host.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\\n", ...packages], {
    timeoutMs: observeTimeoutMs,
  });
  const lines = stdout.split("\n").map((line) => line.split(" "));
  return Object.fromEntries(
    lines.flatMap(([name, version]) => (name && version ? [[name, version] as const] : [])),
  );
}

/** A host whose commands yield the CPU to whatever it serves: for looking while clients are served or measured. */
export const inBackground = (host: Host): Host => ({
  name: host.name,
  address: host.address,
  run: (argv, options) => host.run(argv, { ...options, background: true }),
});
