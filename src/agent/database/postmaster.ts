/** What /proc and the data directory say of PostgreSQL: no connection, so also no wait. */
import { readFileSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";

/** `crashed`: gone, and its control file says that it did not shut down. */
export type PostmasterState = "alive" | "crashed" | "stopped";

export class Postmaster {
  readonly #directory: string;
  /** Where it was found last: as long as it lives there, no disk is asked. */
  #pid: number | null = null;

  /** @param directory PostgreSQL's data directory */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async look(): Promise<PostmasterState> {
    if (isPostgres(this.#pid)) return "alive";
    this.#pid = await this.#pidInFile();
    if (isPostgres(this.#pid)) return "alive";
    const state = await controlState(this.#directory);
    // None: the directory is empty, or is just being copied from the primary.
    return state === null || SHUT_DOWN.has(state) ? "stopped" : "crashed";
  }

  async #pidInFile(): Promise<number | null> {
    const text = await readFile(join(this.#directory, "postmaster.pid"), "utf8").catch(() => "");
    const pid = Number.parseInt(text, 10);
    return Number.isInteger(pid) ? pid : null;
  }
}

/** Synchronous: /proc is memory, and ten looks a second through the thread pool cost ten times as much. */
function isPostgres(pid: number | null): boolean {
  if (pid === null) return false;
  try {
    // "812 (postgres) S …": a killed process that nobody has waited for yet is Z, and dead. After a boot
    // the number in the file may be another program's.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.startsWith(`${pid} (postgres) `) && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false;
  }
}

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
