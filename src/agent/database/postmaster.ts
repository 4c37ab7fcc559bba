/** What the data directory and /proc say of PostgreSQL: no connection, so also no wait. */
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";

/** `crashed`: gone, and its control file says that it did not shut down. */
export type Postmaster = "alive" | "crashed" | "stopped";

/** @param directory PostgreSQL's data directory */
export async function postmaster(directory: string): Promise<Postmaster> {
  if (await isAlive(directory)) return "alive";
  const state = await controlState(directory);
  // None: the directory is empty, or is just being copied from the primary.
  return state === null || SHUT_DOWN.has(state) ? "stopped" : "crashed";
}

async function isAlive(directory: string): Promise<boolean> {
  const pid = Number.parseInt(await readText(join(directory, "postmaster.pid")), 10);
  if (!Number.isInteger(pid)) return false;
  // "812 (postgres) S …": a killed process that nobody has waited for yet is Z, and dead. After a boot
  // the number in the file may be another program's.
  const stat = await readText(`/proc/${pid}/stat`);
  return stat.startsWith(`${pid} (postgres) `) && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

const readText = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");

/** ControlFileData begins with an identifier (8 bytes) and two versions (4 each): so since 8.3. */
const STATE_OFFSET = 16;
/** DB_SHUTDOWNED, DB_SHUTDOWNED_IN_RECOVERY of pg_control.h */
const SHUT_DOWN = new Set([1, 2]);

async function controlState(directory: string): Promise<number | null> {
  const file = await open(join(directory, "global", "pg_control")).catch(() => null);
  if (file === null) return null;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, STATE_OFFSET);
    // The machine's own byte order, as PostgreSQL writes it: little-endian on all that Node runs on here.
    return bytesRead === 4 ? buffer.readUInt32LE(0) : null;
  } catch {
    return null;
  } finally {
    await file.close();
  }
}
