/** What each observation is given. */
import type { Observation } from "../../core/drill/observations.ts";
import type { ObserveConfig } from "./config.ts";

export interface Observer {
  readonly config: ObserveConfig;
  /** Milliseconds since the start of the load. */
  readonly now: () => number;
  readonly record: (observation: Observation) => void;
  /** Ends the observations: each settles soon after. */
  readonly stop: AbortSignal;
}

/** Waits, or until the observation ends. */
export function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.max(0, ms));
    stop.addEventListener("abort", end);
  });
}
