import { createHash } from "node:crypto";
import { createServer, type Server } from "node:net";
import { poll } from "../../lib/retry.ts";

/**
 * Runs `work` while no other process runs work under the same key; waits for the other one first.
 * The lock is a socket in Linux's abstract namespace: the kernel drops it with its holder, so a
 * killed holder never leaves a stale lock.
 * @param onWait called once when somebody else holds the lock
 * @throws HoldfastError when the other one is not done within an hour
 */
export async function exclusively<T>(key: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  const address = `\0holdfast-${createHash("sha256").update(key).digest("hex").slice(0, 32)}`;
  let lock = await listen(address);
  if (lock === undefined) {
    onWait();
    lock = await poll(() => listen(address), {
      deadlineMs: 3_600_000,
      intervalMs: 500,
      what: `another Holdfast process to finish with ${key}`,
    });
  }
  const server = lock;
  try {
    return await work();
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

async function listen(address: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else reject(error);
    });
    server.listen(address, () => resolve(server));
  });
}
