/** Looks events up in the trail's own files: the index says where, only the file says that it is there. */
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { TrailEvent } from "./trail-event.ts";

const PIECE = 1024 * 1024;

/** What was read of one file: each part once, however often is asked. */
interface Known {
  offset: number;
  /** The line that has begun and not ended yet. */
  rest: string;
  readonly values: Map<string, string>;
}

export class TrailReader {
  readonly #directory: string;
  readonly #files = new Map<string, Known>();
  #reading: Promise<void> = Promise.resolve();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * @param file as the index has it, relative to the trail's directory
   * @returns the actor of the event, undefined when the file does not hold it
   * @throws when the file cannot be read
   */
  async actorOf(file: string, id: string): Promise<string | undefined> {
    const known = this.#files.get(file) ?? { offset: 0, rest: "", values: new Map<string, string>() };
    this.#files.set(file, known);
    if (!known.values.has(id)) {
      // One at a time: two would read the same part into the same place.
      this.#reading = this.#reading.catch(() => undefined).then(() => this.#readOn(file, known));
      await this.#reading;
    }
    return known.values.get(id);
  }

  async #readOn(file: string, known: Known): Promise<void> {
    const handle = await open(join(this.#directory, file));
    try {
      const buffer = Buffer.alloc(PIECE);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, PIECE, known.offset);
        if (bytesRead === 0) return;
        known.offset += bytesRead;
        // latin1 keeps bytes apart where a piece ends inside a character; lines are decoded whole
        const lines = (known.rest + buffer.toString("latin1", 0, bytesRead)).split("\n");
        known.rest = lines.pop() ?? "";
        for (const line of lines) remember(Buffer.from(line, "latin1").toString("utf8"), known.values);
      }
    } finally {
      await handle.close();
    }
  }
}

function remember(line: string, values: Map<string, string>): void {
  try {
    const event = JSON.parse(line) as TrailEvent;
    if (event.action === "note") values.set(event.id, event.actor);
  } catch {
    // a line that a crash tore; its writer was not told that it is there
  }
}
