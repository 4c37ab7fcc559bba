import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";

export interface Journal {
  /** Appends one line with the time. Says what was done, never what with: no content, no secret. */
  write(entry: Readonly<Record<string, string | number>>): Promise<void>;
}

/** `journal.ndjson` in the topology's state directory: every step of every run, for people to read afterwards. */
export function openJournal(directory: string, command: string): Journal {
  const path = join(directory, "journal.ndjson");
  return {
    async write(entry) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await appendFile(path, `${JSON.stringify({ at: new Date().toISOString(), command, ...entry })}\n`, {
        mode: 0o600,
      });
    },
  };
}
