/**
 * What the rest of Holdfast needs from the world, as types only. Implemented in `hosts/`
 * (machines) and `lib/` (time); replaced by fakes in the simulator.
 */

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Fed to the command's standard input: the only way secrets may travel (never argv). */
  readonly stdin?: string | Uint8Array;
  /** Default 30 s. On expiry the command is killed and HostUnreachable is thrown. */
  readonly timeoutMs?: number;
  /** Yields the CPU to whatever else the host does: what only watches must not slow down what it watches. */
  readonly background?: boolean;
}

/** One machine that can be managed: a lab machine, an SSH host. The transport is all that differs. */
export interface Host {
  readonly name: string;
  readonly address: string;
  /**
   * Runs argv as root on the host, without a shell. A non-zero exit is a result, not an error.
   * @throws HostUnreachable when the host is off or the transport fails or times out.
   */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
}

export type PowerState = "running" | "paused" | "off" | "absent";

/** A host whose power and cables we hold: what only the lab can do. */
export interface Machine extends Host {
  state(): Promise<PowerState>;
  powerOn(): Promise<void>;
  /** Hard: the link goes first, so that nobody hears a goodbye; then every process dies at once. */
  powerOff(): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  cutLink(): Promise<void>;
  restoreLink(): Promise<void>;
}

/** Progress goes to people (stderr) or machines (NDJSON on stdout). Never secrets. */
export interface Reporter {
  info(message: string): void;
  warn(message: string): void;
  /** A unit of work that starts now; `done`/`fail` end it. Nested by id prefix. */
  task(title: string): TaskReport;
  /** Machine-readable event: one NDJSON line with --json, nothing otherwise. */
  event(event: { readonly type: string } & Record<string, unknown>): void;
}

export interface TaskReport {
  update(message: string): void;
  done(message?: string): void;
  fail(message: string): void;
}
