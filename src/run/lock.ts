import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { join } from "node:path";
import { readIfExists, writeFileAtomic } from "../lib/atomic.ts";
import { HoldfastError } from "../lib/errors.ts";

export interface Lock {
  release(): Promise<void>;
}

/**
 * One changing command per topology at a time. The lock is a socket in Linux's abstract namespace:
 * taking it is atomic and the kernel drops it when the holder dies, so no stale lock can exist.
 * @throws HoldfastError naming the holder when somebody else has it.
 */
export async function takeLock(directory: string, what: string): Promise<Lock> {
  const note = join(directory, "lock.json");
  const name = `\0holdfast-${createHash("sha256").update(directory).digest("hex").slice(0, 32)}`;
  const server = createServer((socket) => socket.destroy());
  server.unref();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(name, resolve);
  }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== "EADDRINUSE") throw error;
    throw new HoldfastError(`another Holdfast command is changing this topology: ${await holder(note)}`, {
      fix: "wait until it has finished, or end it and run this again",
    });
  });
  await writeFileAtomic(note, JSON.stringify({ pid: process.pid, what, since: new Date().toISOString() }));
  return { release: () => new Promise((resolve) => server.close(() => resolve())) };
}

async function holder(note: string): Promise<string> {
  const text = await readIfExists(note);
  if (text === null) return "unknown holder";
  const { pid, what, since } = JSON.parse(text) as { pid: number; what: string; since: string };
  return `\`holdfast ${what}\`, process ${pid}, since ${since}`;
}
