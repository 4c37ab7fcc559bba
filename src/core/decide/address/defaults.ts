import type { AddressSettings, ControllerSettings } from "./types.ts";

/**
 * Settings for a region whose API answers in tens to hundreds of milliseconds. With them a host makes at
 * most 1,230 calls in an hour, of the 72,000 descriptions that EC2 allows an account in one.
 */
export function defaultSettings(
  addresses: readonly AddressSettings[],
  mode: ControllerSettings["mode"] = "fast",
): ControllerSettings {
  return {
    addresses,
    mode,
    blipMs: 100,
    roleFreshMs: 1000,
    // Two at a takeover fit into the wait for a blip. A round trip between zones takes about 1 ms.
    probes: { timeoutMs: 50, intervalMs: 1000, takeoverFall: 2, fall: 4 },
    callMs: 3000,
    staleReadMs: 5000,
    poll: { fastMs: 250, masterMs: 5000, backupMs: 15_000 },
    backoff: { firstMs: 200, maxMs: 5000, deniedMs: 30_000 },
    unfitMs: 3000,
    calls: { capacity: 30, refillMs: 3000, reserve: 10 },
    moves: { capacity: 4, refillMs: 10_000 },
  };
}
