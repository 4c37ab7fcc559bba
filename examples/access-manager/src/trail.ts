/**
 * The audit trail's files: TRAIL_DIR/<node>/<UTC day>.jsonl, one JSON event per line, append-only, one
 * writer per file. An append is acknowledged after fsync; appends that arrive together share one (group
 * commit). When the storage is missing, read-only or full the append is refused, and the state says why.
 */
import { constants } from "node:fs";
import { access, type FileHandle, mkdir, open, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isMountPoint } from "./mount.ts";
import type { TrailEvent } from "./trail-event.ts";

export type TrailState = "unknown" | "ok" | "unmounted" | "read-only" | "full" | "hung" | "failed";

/** The event is not, or not surely, on the storage. */
export class TrailUnavailable extends Error {
  override readonly name = "TrailUnavailable";
  readonly state: TrailState;
  constructor(state: TrailState, why: string, cause?: unknown) {
    super(`audit trail: ${why}`, { cause });
    this.state = state;
  }
}

/** The file operations, replaceable where a test needs a full or broken disk. */
export const diskFiles = { access, isMountPoint, mkdir, open, stat, statfs };
export type TrailFiles = typeof diskFiles;

export interface TrailOptions {
  readonly directory: string;
  readonly node: string;
  readonly requireMount: boolean;
  readonly files?: TrailFiles;
  /** UTC clock in ms, for the file's day. */
  readonly now?: () => number;
}

interface Waiting {
  readonly line: string;
  readonly resolve: (file: string) => void;
  readonly reject: (error: unknown) => void;
}

// What may wait while the storage is slow: 2,000 events of at most some 2 KiB.
const MAX_WAITING = 2_000;
// A hard NFS mount whose server is away blocks a write for as long as that lasts.
const HUNG_MS = 5_000;
// Free space below which the storage counts as full before a write finds out.
const MIN_FREE_BYTES = 1024 * 1024;

export class Trail {
  readonly #options: TrailOptions;
  readonly #files: TrailFiles;
  #queue: Waiting[] = [];
  #file: { readonly name: string; readonly path: string; readonly handle: FileHandle } | undefined;
  #state: TrailState = "unknown";
  #busySince: number | undefined;
  #working: Promise<void> = Promise.resolve();

  constructor(options: TrailOptions) {
    this.#options = options;
    this.#files = options.files ?? diskFiles;
  }

  get state(): TrailState {
    const busy = this.#busySince;
    return busy !== undefined && performance.now() - busy > HUNG_MS ? "hung" : this.#state;
  }

  /**
   * Appends an event. @returns its file, relative to the trail's directory, once it is on stable storage.
   * @throws TrailUnavailable; the event may then still be in the file (append again with the same id).
   */
  async append(event: TrailEvent): Promise<string> {
    if (this.state === "hung") throw new TrailUnavailable("hung", "the storage does not answer");
    if (this.#queue.length >= MAX_WAITING) throw new TrailUnavailable(this.state, "too many events wait");
    return new Promise((resolve, reject) => {
      this.#queue.push({ line: `${JSON.stringify(event)}\n`, resolve, reject });
      if (this.#queue.length === 1) this.#enqueue(() => this.#writeBatch());
    });
  }

  /** Looks at the storage without writing, so that the state is fresh when nothing is appended. */
  probe(): Promise<void> {
    if (this.#busySince === undefined) this.#enqueue(() => this.#look());
    return this.#working;
  }

  async close(): Promise<void> {
    await this.#working;
    await this.#closeFile();
  }

  /** One operation on the storage at a time: a hung one must not block every thread of the process. */
  #enqueue(work: () => Promise<void>): void {
    const previous = this.#working;
    const run = async (): Promise<void> => {
      await previous;
      this.#busySince = performance.now();
      await work();
      this.#busySince = undefined;
    };
    this.#working = run();
  }

  async #writeBatch(): Promise<void> {
    const batch = this.#queue;
    this.#queue = [];
    try {
      const { name, handle } = await this.#openToday();
      await writeAll(handle, Buffer.from(batch.map(({ line }) => line).join("")));
      await handle.sync();
      this.#state = "ok";
      for (const { resolve } of batch) resolve(name);
    } catch (error) {
      const unavailable = explain(error);
      this.#state = unavailable.state;
      // Never fsync the same descriptor again after a failure: the kernel may have dropped the pages and
      // would report success. Reopening also heals a torn line (#openToday).
      await this.#closeFile();
      for (const { reject } of batch) reject(unavailable);
    }
  }

  async #look(): Promise<void> {
    try {
      await this.#checkMount();
      await this.#files.access(this.#options.directory, constants.W_OK);
      const { bavail, bsize } = await this.#files.statfs(this.#options.directory);
      this.#state = bavail * bsize < MIN_FREE_BYTES ? "full" : "ok";
    } catch (error) {
      this.#state = explain(error).state;
    }
  }

  async #checkMount(): Promise<void> {
    const { directory, requireMount } = this.#options;
    if (requireMount && !(await this.#files.isMountPoint(directory))) {
      throw new TrailUnavailable("unmounted", `${directory} is not mounted`);
    }
  }

  /** Today's file, open for appending, on the mounted storage, ending in a whole line. */
  async #openToday(): Promise<{ readonly name: string; readonly handle: FileHandle }> {
    const { directory, node, now = Date.now } = this.#options;
    const name = join(node, `${new Date(now()).toISOString().slice(0, 10)}.jsonl`);
    const path = join(directory, name);
    await this.#checkMount();
    if (this.#file?.name === name && (await this.#isSameFile(this.#file))) return this.#file;
    await this.#closeFile();
    // Not recursive: the trail's directory itself is the mount's to make.
    await this.#files.mkdir(dirname(path), { mode: 0o750 }).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    });
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND;
    const handle = await this.#files.open(path, flags, 0o640);
    const file = { name, path, handle };
    this.#file = file;
    // The storage may have been unmounted between the first check and open(): look once more.
    await this.#checkMount();
    if (!(await this.#isSameFile(file)))
      throw new TrailUnavailable("unmounted", "the storage changed while opening");
    if (await endsTorn(handle)) await writeAll(handle, Buffer.from("\n"));
    await this.#syncDirectory(dirname(path));
    return file;
  }

  /** Whether the open file is still the one at its path: not removed, not below a newer mount. */
  async #isSameFile({
    path,
    handle,
  }: {
    readonly path: string;
    readonly handle: FileHandle;
  }): Promise<boolean> {
    const [held, there] = await Promise.all([handle.stat(), this.#files.stat(path).catch(() => undefined)]);
    return held.ino === there?.ino && held.dev === there.dev;
  }

  /** A new file's name is durable only once its directory is. */
  async #syncDirectory(path: string): Promise<void> {
    for (const each of [path, dirname(path)]) {
      const handle = await this.#files.open(each, constants.O_RDONLY);
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.handle.close().catch(() => undefined);
  }
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done)).bytesWritten;
  }
}

/** A crash in the middle of a write leaves a line without its end; the next event must not be glued to it. */
async function endsTorn(handle: FileHandle): Promise<boolean> {
  const { size } = await handle.stat();
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  await handle.read(last, 0, 1, size - 1);
  return last.toString() !== "\n";
}

const states: Readonly<Record<string, TrailState>> = {
  ENOENT: "unmounted",
  ENOTDIR: "unmounted",
  EROFS: "read-only",
  EACCES: "read-only",
  EPERM: "read-only",
  ENOSPC: "full",
  EDQUOT: "full",
};

function explain(error: unknown): TrailUnavailable {
  if (error instanceof TrailUnavailable) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const state = states[code ?? ""] ?? "failed";
  return new TrailUnavailable(state, `${state} (${code ?? String(error)})`, error);
}
