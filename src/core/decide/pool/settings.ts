import type { PoolSettings } from "./types.ts";

/** What a topology says of its pool; the rest are times that fit hosts which boot in seconds. */
export type PoolSize = Pick<PoolSettings, "min" | "max" | "spares" | "zones" | "target">;

/**
 * A lost host is noticed by the entry within 2 s, by several checks, and replaced after `graceMs` more: short,
 * because nothing is taken away for it before its replacement serves.
 */
export function defaultSettings(size: PoolSize): PoolSettings {
  return {
    ...size,
    tolerance: 0.1,
    outMs: 30_000,
    // Kubernetes' stabilization window for scaling down.
    inMs: 300_000,
    graceMs: 2000,
    bootMs: 120_000,
    drainMs: 60_000,
    calmMs: 30_000,
    replaceShare: 0.34,
    backoff: { firstMs: 10_000, maxMs: 600_000, forgetMs: 1_800_000 },
    // Twenty-four hosts lost in twenty minutes are twenty-four machines made: this allows half as many again.
    makes: { capacity: size.max + size.spares + 2, refillMs: 40_000 },
    orphanMs: 60_000,
    freshMs: 5000,
    turnMs: 1000,
  };
}
