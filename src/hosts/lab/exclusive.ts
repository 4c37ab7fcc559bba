import { poll } from "../../lib/retry.ts";
import { tryLock } from "../../lib/lock.ts";

/**
 * Runs `work` while no other process runs work under the same key; waits for the other one first.
 * @param onWait called once when somebody else holds the lock
 * @throws HoldfastError when the other one is not done within an hour
 */
export async function exclusively<T>(key: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  let lock = await tryLock(key);
  if (lock === undefined) {
    onWait();
    lock = await poll(async () => tryLock(key), {
      deadlineMs: 3_600_000,
      intervalMs: 500,
      what: `another Holdfast process to finish with ${key}`,
    });
  }
  try {
    return await work();
  } finally {
    await lock.release();
  }
}
