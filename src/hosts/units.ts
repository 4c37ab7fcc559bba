import { HoldfastError } from "../lib/errors.ts";
import { lastLines } from "../lib/exec.ts";
import type { Host } from "../ports.ts";

/** A unit as systemd sees it now. */
export interface UnitProperties {
  readonly name: string;
  /** loaded, not-found, masked, bad-setting, error */
  readonly loadState: string;
  /** active, reloading, inactive, failed, activating, deactivating */
  readonly activeState: string;
  /** running, exited, dead, failed, auto-restart, … */
  readonly subState: string;
  /** enabled, disabled, static, masked, …; empty when there is no such unit file */
  readonly unitFileState: string;
  /** 0 when it has no main process */
  readonly mainPid: number;
  /** How often systemd has restarted it by itself since it was last started by hand. */
  readonly restarts: number;
}

export type UnitAction = "start" | "stop" | "restart" | "reload" | "reload-or-restart";

const properties = ["Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "MainPID", "NRestarts"];

/** Lines of the journal that explain a failure: enough for an engine's complaint and its context. */
const explainingLines = 15;

/**
 * The units' states, in the order asked for, in one round trip.
 * @throws HoldfastError when systemd does not answer; HostUnreachable
 */
export async function unitProperties(host: Host, units: readonly string[]): Promise<UnitProperties[]> {
  if (units.length === 0) return [];
  const result = await host.run(["systemctl", "show", `--property=${properties.join(",")}`, "--", ...units]);
  if (result.code !== 0) {
    throw new HoldfastError(`${host.name}: systemd does not answer: ${lastLines(result.stderr, 3)}`);
  }
  const blocks = result.stdout.trimEnd().split(/\n\n+/);
  return units.map((name, index) => parseUnit(name, blocks[index] ?? ""));
}

/**
 * Starts, stops, restarts or reloads a unit and waits for systemd's verdict.
 * @param options.timeoutMs default 120 s: engines that recover their data take their time
 * @throws HoldfastError with systemd's message and the unit's last journal lines; HostUnreachable
 */
export async function actOnUnit(
  host: Host,
  action: UnitAction,
  unit: string,
  options: { readonly timeoutMs?: number } = {},
): Promise<void> {
  const result = await host.run(["systemctl", action, "--", unit], {
    timeoutMs: options.timeoutMs ?? 120_000,
  });
  if (result.code === 0) return;
  const lines = await journal(host, { unit, lines: explainingLines });
  throw new HoldfastError(
    `${host.name}: ${unit} could not ${action}: ${lastLines(result.stderr, 2)}\n${lines}`,
    {
      fix: `the lines above are the unit's own; more of them: journalctl -u ${unit} on ${host.name}`,
    },
  );
}

export async function startUnit(host: Host, unit: string): Promise<void> {
  return actOnUnit(host, "start", unit);
}

export async function stopUnit(host: Host, unit: string): Promise<void> {
  return actOnUnit(host, "stop", unit);
}

export async function restartUnit(host: Host, unit: string): Promise<void> {
  return actOnUnit(host, "restart", unit);
}

export async function reloadUnit(host: Host, unit: string): Promise<void> {
  return actOnUnit(host, "reload", unit);
}

export interface JournalQuery {
  readonly unit?: string;
  /** The last so many; default 100. */
  readonly lines?: number;
  /** As journalctl's --since: "2026-01-31 12:00:00", "-5min", "@1767225600". */
  readonly since?: string;
}

/** Lines of the host's journal, oldest first; empty when there are none. */
export async function journal(host: Host, query: JournalQuery = {}): Promise<string> {
  const result = await host.run([
    "journalctl",
    "--no-pager",
    "--quiet",
    "--output=short-precise",
    `--lines=${query.lines ?? 100}`,
    ...(query.unit === undefined ? [] : [`--unit=${query.unit}`]),
    ...(query.since === undefined ? [] : [`--since=${query.since}`]),
  ]);
  return result.stdout;
}

function parseUnit(name: string, block: string): UnitProperties {
  const values = new Map(
    block.split("\n").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  const text = (key: string) => values.get(key) ?? "";
  return {
    name,
    loadState: text("LoadState"),
    activeState: text("ActiveState"),
    subState: text("SubState"),
    unitFileState: text("UnitFileState"),
    mainPid: Number(text("MainPID")),
    restarts: Number(text("NRestarts")),
  };
}
