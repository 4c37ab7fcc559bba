/** The load generator as its driver sees it: a child process in the clients' network. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { duration } from "../core/duration.ts";
import { HoldfastError } from "../lib/errors.ts";
import {
  type LoadConfig,
  type ObserveConfig,
  parseLoadMessage,
  type Positions,
  type ReadBackConfig,
} from "./loadgen/config.ts";
import { waitFor } from "./wait.ts";

export interface GeneratorLaunch {
  /** Starts the generator: [node, bundle, "loadgen"]. */
  readonly argv: readonly string[];
  /** Network namespace it runs in: a name under /run/netns or a path; null: this one. */
  readonly namespace: string | null;
}

/** A request without an answer for this long counts against a clean load; slower answers are normal under stress. */
const STUCK_MS = 1000;

export interface CleanWait {
  readonly deadlineMs: number;
  /** In the load's own time: what was good from then on counts, too. Default: from now on. */
  readonly since?: number;
  readonly signal?: AbortSignal;
}

export class LoadProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #exited: Promise<number | null>;
  readonly #started: Promise<void>;
  /** Beside the load: probes and the like. */
  #observer: LoadProcess | null = null;
  #clock: bigint | undefined;
  #readTo: Positions | undefined;
  #stderr = "";
  #hasExited = false;
  /** Time of the last report with something bad in it, and of the last report at all; performance.now(). */
  #lastBad = performance.now();
  #lastReport = performance.now();
  #lastBadReport = "no answer yet";

  private constructor(launch: GeneratorLaunch, config: LoadConfig | ReadBackConfig | ObserveConfig) {
    const [command = "", ...args] = inNamespace(launch);
    // Its own process group: Ctrl-C is the driver's to handle, which heals before it stops the load.
    this.#child = spawn(command, args, { detached: true, stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdin.on("error", () => undefined); // its exit says more than EPIPE
    this.#child.stdin.write(`${JSON.stringify(config)}\n`);
    this.#child.stderr.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString("utf8")).slice(-2000);
    });
    this.#exited = new Promise((resolve) => {
      this.#child.once("error", (error) => {
        this.#stderr += error.message;
        this.#hasExited = true;
        resolve(null);
      });
      this.#child.once("close", (code) => {
        this.#hasExited = true;
        resolve(code);
      });
    });
    const started = Promise.withResolvers<void>();
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#read(line, started.resolve));
    this.#started = Promise.race([started.promise, this.#exited.then(() => undefined)]);
  }

  /**
   * Starts the load, and what is observed beside it.
   * @throws HoldfastError when a generator ends before it does anything
   */
  static async start(
    launch: GeneratorLaunch,
    config: LoadConfig,
    observe?: Omit<ObserveConfig, "clock">,
  ): Promise<LoadProcess> {
    const load = new LoadProcess(launch, config);
    await load.#started;
    if (load.#hasExited) throw load.#failure();
    if (observe === undefined) return load;
    const observer = new LoadProcess(launch, { ...observe, clock: String(load.#clock) });
    await observer.#started;
    if (observer.#hasExited) {
      await load.stop();
      throw observer.#failure();
    }
    load.#observer = observer;
    return load;
  }

  /**
   * Reads writes back, in a process of its own.
   * @returns up to where in the load's files
   * @throws HoldfastError when it fails
   */
  static async readBack(launch: GeneratorLaunch, config: ReadBackConfig): Promise<Positions> {
    const load = new LoadProcess(launch, config);
    const code = await load.#exited;
    if (code !== 0 || load.#readTo === undefined) throw load.#failure();
    return load.#readTo;
  }

  /** Milliseconds since the start of the load, on the history's clock. */
  now(): number {
    if (this.#clock === undefined) throw new Error("the load has not started");
    return Number(process.hrtime.bigint() - this.#clock) / 1e6;
  }

  /**
   * Waits until every answer of the last `forMs` was good.
   * @returns null, or what clients still saw at the deadline
   * @throws HoldfastError when the generator is gone
   */
  waitUntilClean(forMs: number, wait: CleanWait): Promise<string | null> {
    const { deadlineMs, signal } = wait;
    const start = performance.now();
    const since = wait.since === undefined ? start : start - this.now() + wait.since;
    const gone = (): LoadProcess | null => {
      if (this.#hasExited) return this;
      return this.#observer !== null && this.#observer.#hasExited ? this.#observer : null;
    };
    const probe = (): Promise<string | null> => {
      if (gone() !== null) return Promise.resolve(null); // told apart below
      const now = performance.now();
      if (now - this.#lastReport > STUCK_MS) return Promise.resolve("the load generator does not report");
      if (now - Math.max(since, this.#lastBad) < forMs) return Promise.resolve(this.#lastBadReport);
      return Promise.resolve(null);
    };
    const options = { deadlineMs, intervalMs: 50, ...(signal === undefined ? {} : { signal }) };
    return waitFor(probe, options).then((missing) => {
      const ended = gone();
      if (ended !== null) throw ended.#failure();
      return missing;
    });
  }

  /** Ends the load cleanly and waits for its history. @throws HoldfastError when the history is not whole */
  async stop(): Promise<void> {
    const observed = this.#observer?.stop();
    observed?.catch(() => undefined); // until it is awaited below
    if (!this.#hasExited) this.#child.kill("SIGTERM");
    const code = await this.#exited;
    await observed;
    if (code !== 0) throw this.#failure();
  }

  #read(line: string, started: () => void): void {
    const message = parseLoadMessage(line);
    this.#lastReport = performance.now();
    if (message.type === "started") {
      this.#clock = BigInt(message.clock);
      started();
    }
    if (message.type === "ended") this.#readTo = message.to;
    if (message.type !== "stats") return;
    const { failed, unknown, oldestMs } = message;
    if (failed + unknown === 0 && oldestMs < STUCK_MS) return;
    this.#lastBad = this.#lastReport;
    this.#lastBadReport = `${failed} requests failed, ${unknown} unknown, oldest without an answer ${duration(oldestMs)}`;
  }

  #failure(): HoldfastError {
    return new HoldfastError(
      `the load generator ended by itself: ${this.#stderr.trim() || "it said nothing"}`,
    );
  }
}

function inNamespace({ argv, namespace }: GeneratorLaunch): readonly string[] {
  if (namespace === null) return argv;
  const path = namespace.startsWith("/") ? namespace : `/run/netns/${namespace}`;
  return ["nsenter", `--net=${path}`, "--", ...argv];
}
