import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { HoldfastError } from "./errors.ts";

/**
 * Writes a local file so that a reader (or a crash) sees the old content or the new, never a part.
 * @throws HoldfastError when the disk is full or the directory cannot be written; nothing is left behind then.
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    const directory = await open(dirname(path), "r");
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(path, error);
  }
}

function writeError(path: string, error: unknown): HoldfastError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new HoldfastError(`cannot write ${path}: the disk is full`, {
      fix: "free some space and run the same command again; nothing was half-written",
      cause: error,
    });
  }
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") {
    return new HoldfastError(`cannot write ${path}: ${(error as Error).message}`, {
      fix: "run it with sudo",
      cause: error,
    });
  }
  return new HoldfastError(`cannot write ${path}: ${(error as Error).message}`, { cause: error });
}

/** The file's text, or null when there is none. */
export async function readIfExists(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
