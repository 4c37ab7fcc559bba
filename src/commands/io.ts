import type { ExitStatus } from "../lib/errors.ts";
import type { Reporter } from "../ports.ts";

/** What a command may touch besides its arguments. Made by main; replaced in tests. */
export interface CommandIo {
  /** Results, one line each. With `json`, NDJSON only. */
  readonly stdout: (line: string) => void;
  /** For people: progress goes through `reporter`, which ends up here. */
  readonly stderr: (line: string) => void;
  readonly reporter: Reporter;
  readonly json: boolean;
  /** Root of the installed package: blueprints/, dist/. */
  readonly root: string;
  /** State directory (`HOLDFAST_HOME`, default /var/lib/holdfast). */
  readonly home: string;
  readonly cwd: string;
  /** A person sits at the terminal and may be asked. */
  readonly interactive: boolean;
  /** Aborts on Ctrl-C / SIGTERM: commands stop at the next safe point. */
  readonly signal: AbortSignal;
}

export type Command = (args: readonly string[], io: CommandIo) => Promise<ExitStatus>;
