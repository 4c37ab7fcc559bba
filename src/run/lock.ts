import { join } from "node:path";
import { readIfExists, writeFileAtomic } from "../lib/atomic.ts";
import { HoldfastError } from "../lib/errors.ts";
import { tryLock, type Lock } from "../lib/lock.ts";

/**
 * One changing command per topology at a time.
 * @throws HoldfastError naming the holder when somebody else has the lock.
 */
export async function takeLock(directory: string, what: string): Promise<Lock> {
  const note = join(directory, "lock.json");
  const lock = await tryLock(directory);
  if (lock === undefined) {
    throw new HoldfastError(`another Holdfast command is changing this topology: ${await holder(note)}`, {
      fix: "wait until it has finished, or end it and run this again",
    });
  }
  await writeFileAtomic(note, JSON.stringify({ pid: process.pid, what, since: new Date().toISOString() }));
  return lock;
}

/** The note is written after the lock is taken, so for a moment it may name the one before, or nobody. */
async function holder(note: string): Promise<string> {
  const text = await readIfExists(note);
  if (text === null) return "it has just begun";
  const { pid, what, since } = JSON.parse(text) as { pid: number; what: string; since: string };
  return `\`holdfast ${what}\`, process ${pid}, since ${since}`;
}
