/** Waiting that ends. All times are in ms of the monotonic clock (`performance.now()`). */
import { setTimeout as delay } from "node:timers/promises";
import { DeadlineExceeded } from "./retry.ts";

export const sleep = (ms: number): Promise<void> => delay(ms);

/**
 * The promise's outcome, or DeadlineExceeded at `deadline`. The promise is not cancelled; a later
 * rejection of it is swallowed, because nobody waits for it any more.
 */
export async function until<T>(deadline: number, promise: Promise<T>, doing: string): Promise<T> {
  const remaining = deadline - performance.now();
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new DeadlineExceeded(`ran out of time: ${doing}`)),
      Math.max(0, remaining),
    );
  });
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, expiry]);
  } finally {
    clearTimeout(timer);
  }
}

/** Calls `task` every `intervalMs` ± 25 % until stopped; never two at once; errors go to `onError`. */
export function repeat(
  intervalMs: number,
  task: () => Promise<void>,
  onError: (error: unknown) => void,
): () => void {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const next = (): void => {
    if (stopped) return;
    // Jitter keeps the nodes of a pool from asking the database in step.
    timer = setTimeout(
      () => void task().catch(onError).finally(next),
      intervalMs * (0.75 + Math.random() / 2),
    );
  };
  next();
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}
