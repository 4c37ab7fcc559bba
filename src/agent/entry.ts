import { networkInterfaces } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import {
  stepHealth,
  type HealthAction,
  type HealthObservation,
  type HealthState,
} from "../core/decide/health.ts";
import type { EntryConfig } from "../core/engines/agent/config.ts";
import { readIfExists, writeFileAtomic } from "../lib/atomic.ts";
import { exec, execOk } from "../lib/exec.ts";
import type { Reporter } from "../ports.ts";
import { probeHttp } from "./probe.ts";
import { livingProcess } from "./process.ts";

const GONE_INTERVAL_MS = 10;

type Question = () => Promise<boolean>;

/**
 * The agent's loop on an entry host, until `signal` aborts. An error of one turn is told and the loop
 * goes on: an agent that gives up helps nobody.
 */
export async function runEntryLoop(
  config: EntryConfig,
  { signal, reporter }: { readonly signal: AbortSignal; readonly reporter: Reporter },
): Promise<void> {
  const settings = { ...config.probe, deadAfterMs: config.keepalived.deadAfterMs };
  const alive = { keepalived: livingProcess("keepalived"), proxy: isComingBack(config.probe.unit) };
  let state: HealthState | null = null;
  let lastError = "";
  while (!signal.aborted) {
    const start = performance.now();
    try {
      const observed = await observe(config, alive);
      const step = stepHealth(settings, state, observed, performance.now());
      if (step.state.verdict !== state?.verdict) reporter.info(verdictMessage(step.state, observed));
      state = step.state;
      for (const action of step.actions) await act(config, action, alive.keepalived, reporter);
      lastError = "";
    } catch (error) {
      const message = (error as Error).message;
      if (message !== lastError) reporter.warn(message);
      lastError = message;
    }
    // A proxy that is gone is asked for again and again: the address waits for the answer.
    const isAwaited = state?.verdict === "healthy" && state.startingSince !== null;
    const interval = isAwaited ? GONE_INTERVAL_MS : config.probe.intervalMs;
    const left = interval - (performance.now() - start);
    await sleep(Math.max(GONE_INTERVAL_MS, left), undefined, { signal }).catch(() => undefined);
  }
}

function verdictMessage(state: HealthState, observed: HealthObservation): string {
  return state.verdict === "healthy"
    ? "the proxy serves: this host may hold the address"
    : `the proxy does not serve (${observed.proxy}): this host gives the address away`;
}

async function observe(
  config: EntryConfig,
  alive: { readonly keepalived: Question; readonly proxy: Question },
): Promise<HealthObservation> {
  const [answer, healthFile, keepalived] = await Promise.all([
    probeHttp(config.probe.url, config.probe.timeoutMs),
    readHealthFile(config.healthFile),
    alive.keepalived(),
  ]);
  const proxy = answer !== "refused" ? answer : (await alive.proxy()) ? "starting" : "gone";
  return { proxy, healthFile, keepalived: keepalived ? "alive" : "dead", addressHeld: addressHeld(config) };
}

/**
 * Whether systemd is about to start the unit (again). Asking also wakes systemd up, which otherwise lets a
 * restart that is due wait for up to 250 ms, to do several things at once.
 */
const isComingBack = (unit: string): Question => {
  const argv = ["systemctl", "is-active", unit];
  return async () => {
    const { stdout } = await exec(argv, { timeoutMs: 1000 }).catch(() => ({ stdout: "" }));
    return !["", "failed", "inactive", "unknown"].includes(stdout.trim());
  };
};

async function readHealthFile(path: string): Promise<HealthObservation["healthFile"]> {
  // What cannot be read is written anew, and that error tells what is wrong.
  const content = (await readIfExists(path).catch(() => null))?.trim();
  return content === "0" ? "healthy" : content === "1" ? "fault" : "other";
}

function addressHeld({ address }: EntryConfig): boolean {
  if (address === undefined) return false;
  return networkInterfaces()[address.interface]?.some((own) => own.address === address.vip) ?? false;
}

async function act(
  config: EntryConfig,
  action: HealthAction,
  keepalivedAlive: Question,
  reporter: Reporter,
): Promise<void> {
  if (action.kind === "write-health-file") {
    await writeFileAtomic(config.healthFile, action.verdict === "healthy" ? "0\n" : "1\n", 0o644);
    return;
  }
  // It may have come back since it was observed, and the address would be its own again.
  if (config.address === undefined || (await keepalivedAlive())) return;
  const { vip, interface: name } = config.address;
  reporter.warn(`keepalived is dead and stays dead: removing its address ${vip} from ${name}`);
  await execOk(["ip", "address", "del", `${vip}/32`, "dev", name], `remove ${vip} from ${name}`, {
    timeoutMs: 5000,
  });
}
