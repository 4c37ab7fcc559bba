/** Runs the load generator against the scripted server: what it measured beside what really happened. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import {
  parseHistory,
  parseReadBack,
  type ReadBack,
  type RequestRecord,
} from "../../src/core/drill/history.ts";
import { LoadProcess } from "../../src/drill/load.ts";
import type { LoadConfig } from "../../src/drill/loadgen/config.ts";
import { loadCertificates } from "../../src/run/certificates.ts";
import { blueprint } from "./render.ts";
import type { Down, Phase, ServerLog } from "./scripted-server.ts";

/** Longer than the longest hang, shorter than an answer that comes too late. */
export const RESPONSE_TIMEOUT_MS = 2500;
export const CONNECT_TIMEOUT_MS = 500;

export interface Script {
  readonly phases: readonly Phase[];
  /** The load ends then, ms. */
  readonly end: number;
  /** Stops the whole server process in between (SIGSTOP), so that even its kernel sockets are all it has. */
  readonly stopped?: { readonly from: number; readonly to: number };
}

export interface Measured {
  readonly history: readonly RequestRecord[];
  readonly readBack: readonly ReadBack[];
  readonly truth: ServerLog;
}

export class ScriptedService {
  readonly #folder: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;
  #port = 0;
  #ca = "";
  #runs = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    const script = join(import.meta.dirname, "scripted-server.ts");
    this.#child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  static async start(): Promise<ScriptedService> {
    const folder = await mkdtemp(join(tmpdir(), "holdfast-scripted-"));
    const topology = blueprint("privx-onprem", (raw) => {
      raw.entry.address.vip = "127.0.0.1";
    });
    const { caCertificate, entry } = await loadCertificates(folder, topology, null);
    const service = new ScriptedService(folder);
    service.#ca = caCertificate;
    service.#port = ((await service.#ask(entry)) as { port: number }).port;
    return service;
  }

  get origin(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  /** Runs the script under load. @param readBack whether writes are read back afterwards */
  async run(perSecond: number, script: Script, readBack = false): Promise<Measured> {
    const config = this.#config(perSecond);
    const argv = [process.execPath, join(import.meta.dirname, "loadgen.ts")];
    const launch = { argv, namespace: null };
    const load = await LoadProcess.start(launch, config);
    this.#tell({ clock: this.clockOf(load), phases: script.phases });
    const downs: Down[] = [];
    if (script.stopped !== undefined) {
      await sleep(script.stopped.from - load.now());
      this.#child.kill("SIGSTOP");
      const from = load.now();
      await sleep(script.stopped.to - load.now());
      downs.push({ kind: "hang", from, over: load.now(), to: load.now() });
      this.#child.kill("SIGCONT");
    }
    await sleep(script.end - load.now());
    await load.stop();
    const truth = (await this.#ask({ type: "end" })) as ServerLog;
    const from = { history: 0, observations: 0 };
    if (readBack)
      await LoadProcess.readBack(launch, { ...config, mode: "read-back", round: 0, whole: true, from });
    return {
      history: parseHistory(await readFile(config.historyFile, "utf8")),
      readBack: readBack ? parseReadBack(await readFile(config.readBackFile, "utf8")) : [],
      truth: { ...truth, downs: [...truth.downs, ...downs] },
    };
  }

  /** The load's time 0 on the monotonic clock that all processes share. */
  clockOf(load: LoadProcess): string {
    return String(process.hrtime.bigint() - BigInt(Math.round(load.now() * 1e6)));
  }

  /** Starts a script without our load: for other load generators. */
  script(clock: bigint, phases: readonly Phase[]): void {
    this.#tell({ clock: String(clock), phases });
  }

  async log(): Promise<ServerLog> {
    return (await this.#ask({ type: "end" })) as ServerLog;
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    this.#child.kill("SIGKILL");
    await rm(this.#folder, { recursive: true });
  }

  #config(perSecond: number): LoadConfig {
    const run = `run${this.#runs++}`;
    return {
      mode: "load",
      origin: this.origin,
      domain: null,
      ca: this.#ca,
      token: "token",
      workload: { read: "/items", write: "/items", readBack: "/read-back/{id}" },
      rate: { perSecond, clients: 20 },
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      responseTimeoutMs: RESPONSE_TIMEOUT_MS,
      limitMs: 60_000,
      run,
      historyFile: join(this.#folder, `${run}.history`),
      readBackFile: join(this.#folder, `${run}.readback`),
      trail: null,
    };
  }

  #tell(message: unknown): void {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
  }

  async #ask(message: unknown): Promise<unknown> {
    this.#tell(message);
    const line = await this.#lines.next();
    if (line.done === true) throw new Error("the scripted server ended");
    return JSON.parse(line.value);
  }
}
