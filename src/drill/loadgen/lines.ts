import { createReadStream, createWriteStream, type WriteStream } from "node:fs";
import { once } from "node:events";
import { HoldfastError } from "../../lib/errors.ts";

/** The most that may wait for the disk: some 100,000 records, minutes of load. */
const MAX_BUFFERED = 16 * 1024 * 1024;

/** Lines are handed to the disk in pieces of about this size: one write per line cost more than the request. */
const PIECE = 64 * 1024;

/** At the latest: lines are read back while more are written. */
const FLUSH_MS = 500;

/** A file of lines, written without waiting for each; fsynced when closed. */
export class LineFile {
  /** Set once a write failed; every later write is dropped. */
  error: HoldfastError | null = null;
  readonly #stream: WriteStream;
  readonly #timer: NodeJS.Timeout;
  #piece = "";

  private constructor(stream: WriteStream) {
    this.#stream = stream;
    this.#timer = setInterval(() => this.#flush(), FLUSH_MS);
    stream.on("error", (cause) => {
      this.error ??= writeError(cause.message, cause);
    });
  }

  /** @throws HoldfastError when the file exists or cannot be made */
  static create(path: string): Promise<LineFile> {
    return LineFile.#open(path, "wx");
  }

  /** Goes on at the end of a file, or makes it. @throws HoldfastError when it cannot be opened */
  static append(path: string): Promise<LineFile> {
    return LineFile.#open(path, "a");
  }

  static async #open(path: string, flags: "wx" | "a"): Promise<LineFile> {
    const stream = createWriteStream(path, { flags, mode: 0o600, flush: true });
    try {
      await once(stream, "open");
    } catch (cause) {
      throw writeError((cause as Error).message, cause);
    }
    return new LineFile(stream);
  }

  write(line: string): void {
    if (this.error !== null) return;
    if (this.#stream.writableLength > MAX_BUFFERED) {
      this.error = writeError("the disk does not keep up");
      return;
    }
    this.#piece += line;
    if (this.#piece.length >= PIECE) this.#flush();
  }

  #flush(): void {
    if (this.#piece !== "" && this.error === null) this.#stream.write(this.#piece);
    this.#piece = "";
  }

  /** @throws HoldfastError when something could not be written */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (!this.#stream.destroyed) {
      this.#flush();
      await new Promise<void>((resolve) => {
        this.#stream.once("close", resolve);
        this.#stream.end();
      });
    }
    if (this.error !== null) throw this.error;
  }
}

const writeError = (why: string, cause?: unknown): HoldfastError =>
  new HoldfastError(`cannot write the history of the load: ${why}`, {
    fix: "free some space in the drill's folder and run the drill again",
    cause,
  });

const NEWLINE = 10;

/**
 * The whole lines of a file, each with where it ends. What follows the last newline is left out: it may be
 * half a line that is being written.
 * @param from where a line begins, bytes
 * @param to   where one ends; default: as far as the file goes now
 */
export async function* linesOf(
  path: string,
  from: number,
  to = Number.POSITIVE_INFINITY,
): AsyncGenerator<{ readonly text: string; readonly end: number }, undefined, undefined> {
  if (from >= to) return;
  let rest: Buffer = Buffer.alloc(0);
  let end = from;
  for await (const chunk of createReadStream(path, { start: from, end: to - 1 })) {
    const data = Buffer.concat([rest, chunk as Buffer]);
    let begin = 0;
    for (let at = data.indexOf(NEWLINE); at >= 0; at = data.indexOf(NEWLINE, begin)) {
      end += at + 1 - begin;
      yield { text: data.toString("utf8", begin, at + 1), end };
      begin = at + 1;
    }
    rest = data.subarray(begin);
  }
}
