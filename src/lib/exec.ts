import { spawn } from "node:child_process";
import type { RunResult } from "../ports.ts";
import { HoldfastError } from "./errors.ts";

/** What is kept of each output stream; a command that says more has its middle cut out, never the memory filled. */
const maxOutputBytes = 16 * 1024 * 1024;

export interface ExecOptions {
  readonly stdin?: string | Uint8Array;
  /** Milliseconds; default 30,000. On expiry the whole process group is killed. */
  readonly timeoutMs?: number;
  readonly cwd?: string;
  /** Replaces the environment; default: this process's own. */
  readonly env?: NodeJS.ProcessEnv;
  /** Called with every complete line of standard error (and of standard output), for progress. */
  readonly onLine?: (line: string) => void;
}

/** The command was killed because it did not end in time. */
export class ExecTimeout extends HoldfastError {
  readonly stderr: string;
  constructor(argv: readonly string[], timeoutMs: number, stderr: string) {
    super(`${argv[0]} did not end within ${timeoutMs / 1000} s and was killed`);
    this.name = "ExecTimeout";
    this.stderr = stderr;
  }
}

/**
 * Runs a command without a shell. A non-zero exit is a result, not an error; death by a signal
 * is code 128 + its number, as shells say it.
 * @throws HoldfastError when the command is not installed; ExecTimeout when it had to be killed.
 */
export async function exec(argv: readonly string[], options: ExecOptions = {}): Promise<RunResult> {
  const [command, ...args] = argv;
  if (command === undefined) throw new Error("exec: empty argv");
  const timeoutMs = options.timeoutMs ?? 30_000;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: "pipe",
      detached: true, // its own process group, so that a timeout reaches its children too
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env }),
    });
    const stdout = new OutputBuffer(options.onLine);
    const stderr = new OutputBuffer(options.onLine);
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
      // A descendant that left the group may hold the pipes open for ever: stop listening to it.
      child.stdout.destroy();
      child.stderr.destroy();
    }, timeoutMs);
    child.stdout.on("data", (chunk: Buffer) => stdout.add(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.add(chunk));
    // A command that exits without reading its input (EPIPE) is judged by its exit status.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.stdin ?? "");
    child.on("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      // EACCES: it was not found either, and a folder of the PATH could not be looked into.
      const missing = error.code === "ENOENT" || error.code === "EACCES";
      reject(missing ? notInstalled(command, options.cwd, error) : error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      if (timedOut) reject(new ExecTimeout(argv, timeoutMs, stderr.text()));
      else
        resolve({ code: code ?? 128 + signalNumber(signal), stdout: stdout.text(), stderr: stderr.text() });
    });
  });
}

/**
 * Like exec, but a non-zero exit is an error that carries the command's own words.
 * @returns its standard output
 * @throws HoldfastError `<what>: <last lines of stderr>`
 */
export async function execOk(
  argv: readonly string[],
  what: string,
  options: ExecOptions = {},
): Promise<string> {
  const result = await exec(argv, options);
  if (result.code !== 0) {
    throw new HoldfastError(
      `${what} failed (${argv[0]} exit ${result.code}): ${lastLines(result.stderr, 5)}`,
    );
  }
  return result.stdout;
}

/** The last non-empty lines of a command's output, for error messages. */
export function lastLines(text: string, count: number): string {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .join("\n");
}

function notInstalled(command: string, cwd: string | undefined, cause: Error): HoldfastError {
  return new HoldfastError(
    `command ${command} was not found${cwd === undefined ? "" : ` (or directory ${cwd} is missing)`}`,
    { fix: `install the package that provides ${command}`, cause },
  );
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended between the timer and here.
  }
}

function signalNumber(signal: NodeJS.Signals | null): number {
  const numbers: Partial<Record<NodeJS.Signals, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
  return (signal === null ? undefined : numbers[signal]) ?? 0;
}

/** Keeps the first and the last half of the limit, and feeds complete lines to the listener. */
class OutputBuffer {
  #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #dropped = 0;
  #partial = "";
  readonly #onLine: ((line: string) => void) | undefined;

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine;
  }

  add(chunk: Buffer): void {
    if (this.#onLine) this.#lines(chunk.toString("utf8"));
    if (this.#headBytes < maxOutputBytes / 2) {
      this.#head.push(chunk);
      this.#headBytes += chunk.length;
      return;
    }
    this.#tail.push(chunk);
    this.#tailBytes += chunk.length;
    while (this.#tailBytes > maxOutputBytes / 2 && this.#tail.length > 1) {
      const first = this.#tail.shift();
      this.#tailBytes -= first?.length ?? 0;
      this.#dropped += first?.length ?? 0;
    }
  }

  text(): string {
    const cut = this.#dropped === 0 ? [] : [Buffer.from(`\n[… ${this.#dropped} bytes left out …]\n`)];
    return Buffer.concat([...this.#head, ...cut, ...this.#tail]).toString("utf8");
  }

  #lines(text: string): void {
    const lines = (this.#partial + text).split(/[\r\n]/);
    this.#partial = (lines.pop() ?? "").slice(-4096);
    for (const line of lines) if (line.trim() !== "") this.#onLine?.(line);
  }
}
