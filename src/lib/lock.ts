import { createHash } from "node:crypto";
import { createServer, type Server } from "node:net";

export interface Lock {
  release(): Promise<void>;
}

/**
 * Takes the lock of that key on this machine, or gives undefined when another process has it.
 * It is a socket in Linux's abstract namespace: taking it is atomic and the kernel drops it with
 * its holder, so no stale lock can exist (docs/decisions/0009-lock.md).
 */
export async function tryLock(key: string): Promise<Lock | undefined> {
  const server = createServer((socket) => socket.destroy());
  server.unref(); // a lock alone keeps no program running
  const taken = await new Promise<boolean>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(`\0holdfast-${createHash("sha256").update(key).digest("hex").slice(0, 32)}`, () =>
      resolve(true),
    );
  });
  return taken ? { release: async () => close(server) } : undefined;
}

const close = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
