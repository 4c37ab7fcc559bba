/** A CommandIo for tests: results are kept, nothing is printed. */
import { join } from "node:path";
import type { CommandIo } from "../../src/commands/io.ts";

export interface RecordedIo extends CommandIo {
  readonly lines: string[];
}

const nothing = (): void => {};

/** @param cwd where the command runs; its state would go below it */
export function recordedIo(cwd: string, json = false): RecordedIo {
  const lines: string[] = [];
  return {
    lines,
    stdout: (line) => void lines.push(line),
    stderr: nothing,
    reporter: {
      info: nothing,
      warn: nothing,
      event: nothing,
      task: () => ({ update: nothing, done: nothing, fail: nothing }),
    },
    json,
    root: join(import.meta.dirname, "../.."),
    home: join(cwd, "home"),
    cwd,
    interactive: false,
    signal: new AbortController().signal,
  };
}
