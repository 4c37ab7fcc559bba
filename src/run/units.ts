import type { DesiredUnit } from "../core/plan/desired.ts";
import type { UnitAction } from "../core/plan/steps.ts";
import { journal } from "../hosts/journal.ts";
import { HoldfastError } from "../lib/errors.ts";
import { poll } from "../lib/retry.ts";
import type { Host } from "../ports.ts";

/**
 * Brings a unit where its step says, and waits until it serves.
 * @throws HoldfastError with the unit's last journal lines when it does not.
 */
export async function changeUnit(host: Host, unit: DesiredUnit, action: UnitAction): Promise<void> {
  const deadlineMs = unit.readyTimeoutMs ?? 60_000;
  // A unit that has failed too often refuses a start until its counter is reset.
  if (action === "start" || action === "restart") await host.run(["systemctl", "reset-failed", unit.name]);
  // Packages start their own instances: masking one has to end it too.
  const options = action === "mask" ? ["--now"] : [];
  const { code, stderr } = await host.run(["systemctl", action, ...options, "--", unit.name], {
    timeoutMs: deadlineMs + 60_000,
  });
  if (code !== 0) throw await unitError(host, unit.name, `systemctl ${action} failed: ${stderr.trim()}`);
  if (action === "start" || action === "restart" || action === "reload")
    await waitReady(host, unit, deadlineMs);
}

export async function removeUnit(host: Host, name: string): Promise<void> {
  const { code, stderr } = await host.run(["systemctl", "disable", "--now", name], { timeoutMs: 120_000 });
  const unknown = /not loaded|does not exist|not found/.test(stderr);
  if (code !== 0 && !unknown) throw await unitError(host, name, `cannot be stopped: ${stderr.trim()}`);
}

async function waitReady(host: Host, unit: DesiredUnit, deadlineMs: number): Promise<void> {
  const ready = unit.ready ?? ["systemctl", "is-active", "--quiet", unit.name];
  let last = "";
  const serves = async (): Promise<boolean> => {
    const result = await host.run(ready, { timeoutMs: 15_000 });
    last = (result.stderr || result.stdout).trim();
    return result.code === 0;
  };
  await poll(serves, { deadlineMs, intervalMs: 200, what: unit.name }).catch(async (error: unknown) => {
    if (!(error instanceof HoldfastError)) throw error;
    throw await unitError(
      host,
      unit.name,
      `is not ready after ${deadlineMs / 1000} s: ${last || "its probe says nothing"}`,
    );
  });
}

async function unitError(host: Host, unit: string, what: string): Promise<HoldfastError> {
  const lines = await journal(host, { unit, lines: 15 });
  const fix = portInUse(lines) ?? `look at it on ${host.name}: journalctl -u ${unit}`;
  return new HoldfastError(`${unit} ${what}\n  its last words:\n${indent(lines)}`, { fix });
}

/** Every engine words this differently, and it is the commonest reason that a service does not start. */
function portInUse(journal: string): string | undefined {
  return /address already in use|cannot bind socket|bind\(\) .* failed \(98/i.test(journal)
    ? "another process holds the port: find it with `ss -ltnp` on the host and stop it, or change the port in the topology"
    : undefined;
}

const indent = (text: string): string =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");
