import { setTimeout as sleep } from "node:timers/promises";
import { HoldfastError } from "../lib/errors.ts";

/** What is still missing, in words; null when nothing is. */
export type Probe = () => Promise<string | null>;

export interface WaitOptions {
  readonly deadlineMs: number;
  /** Default 250 ms: engines are asked while the load is measured, so not more often than needed. */
  readonly intervalMs?: number;
  /** Ends the wait by an error. */
  readonly signal?: AbortSignal;
}

/**
 * Asks until nothing is missing. An operator's error (a host that is off) is something missing.
 * @returns null, or what was still missing at the deadline
 * @throws the signal's reason when it aborts
 */
export async function waitFor(probe: Probe, options: WaitOptions): Promise<string | null> {
  const end = performance.now() + options.deadlineMs;
  for (;;) {
    options.signal?.throwIfAborted();
    const missing = await probe().catch((error: unknown) => {
      if (error instanceof HoldfastError) return error.message;
      throw error;
    });
    if (missing === null || performance.now() >= end) return missing;
    await sleep(
      options.intervalMs ?? 250,
      undefined,
      options.signal === undefined ? {} : { signal: options.signal },
    );
  }
}
