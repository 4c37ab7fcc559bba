import { createWriteStream, type WriteStream } from "node:fs";
import { once } from "node:events";
import { HoldfastError } from "../../lib/errors.ts";

/** The most that may wait for the disk: some 100,000 records, minutes of load. */
const MAX_BUFFERED = 16 * 1024 * 1024;

/** Lines are handed to the disk in pieces of about this size: one write per line cost more than the request. */
const PIECE = 64 * 1024;

/** A new file of lines, written without waiting for each; fsynced when closed. */
export class LineFile {
  /** Set once a write failed; every later write is dropped. */
  error: HoldfastError | null = null;
  readonly #stream: WriteStream;
  #piece = "";

  private constructor(stream: WriteStream) {
    this.#stream = stream;
    stream.on("error", (cause) => {
      this.error ??= writeError(cause.message, cause);
    });
  }

  /** @throws HoldfastError when the file exists or cannot be made */
  static async create(path: string): Promise<LineFile> {
    const stream = createWriteStream(path, { flags: "wx", mode: 0o600, flush: true });
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
    if (this.#piece !== "") this.#stream.write(this.#piece);
    this.#piece = "";
  }

  /** @throws HoldfastError when something could not be written */
  async close(): Promise<void> {
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
