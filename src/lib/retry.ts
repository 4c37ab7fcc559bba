import { setTimeout as sleep } from "node:timers/promises";
import { HoldfastError } from "./errors.ts";

export interface PollOptions {
  /** Milliseconds from now after which the wait is given up. The probe always runs at least once. */
  readonly deadlineMs: number;
  /** Milliseconds between probes; default 100. */
  readonly intervalMs?: number;
  /** What is waited for, as it reads after "waited 30 s for …". */
  readonly what: string;
  readonly fix?: string;
}

/**
 * Asks until the probe answers with something other than undefined, false or an error.
 * @returns the probe's answer
 * @throws HoldfastError when the deadline has passed, with the probe's last error as its cause
 */
export async function poll<T>(
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  options: PollOptions,
): Promise<T> {
  const start = performance.now();
  for (;;) {
    let cause: unknown;
    try {
      const answer = await probe();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      cause = error;
    }
    const left = options.deadlineMs - (performance.now() - start);
    if (left <= 0) throw gaveUp(options, cause);
    await sleep(Math.min(options.intervalMs ?? 100, left));
  }
}

function gaveUp(options: PollOptions, cause: unknown): HoldfastError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new HoldfastError(`waited ${options.deadlineMs / 1000} s for ${options.what}${why}`, {
    ...(options.fix === undefined ? {} : { fix: options.fix }),
    ...(cause === undefined ? {} : { cause }),
  });
}
