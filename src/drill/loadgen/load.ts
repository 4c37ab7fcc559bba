/** Open-loop load at a constant rate: what is due is sent, whatever became of what was sent before. */
import {
  formatLine,
  type Outcome,
  type RequestClass,
  SKIPPED,
  valueOf,
  writeId,
} from "../../core/drill/history.ts";
import { outcomeOf } from "../../core/drill/outcome.ts";
import { classOf, clientOf, clientsIn, intendedAt } from "../../core/drill/schedule.ts";
import { VirtualClient, type Answer, type Request } from "./client.ts";
import type { LoadConfig, LoadMessage } from "./config.ts";
import { trustOf } from "./connections.ts";
import { LineFile } from "./lines.ts";

const STATS_INTERVAL_MS = 200;

export interface LoadControl {
  /** Ends the load cleanly: the answers still out are awaited (at most both timeouts). */
  readonly stop: AbortSignal;
  /** Ends it at once: nobody is interested any more. */
  readonly abandon: AbortSignal;
}

/**
 * Sends until it is stopped or `limitMs` has passed, then closes the history.
 * @throws HoldfastError when the history cannot be written
 */
export async function generateLoad(
  config: LoadConfig,
  emit: (message: LoadMessage) => void,
  control: LoadControl,
): Promise<void> {
  const generator = new Generator(config, await LineFile.create(config.historyFile));
  emit({ type: "started", clock: generator.clock.toString() });
  const report = setInterval(() => emit(generator.stats()), STATS_INTERVAL_MS);
  try {
    await generator.run(
      AbortSignal.any([control.stop, AbortSignal.timeout(config.limitMs)]),
      control.abandon,
    );
  } finally {
    clearInterval(report);
    await generator.close();
  }
  emit({ type: "ended", requests: generator.requests });
}

class Generator {
  readonly clock = process.hrtime.bigint();
  requests = 0;
  readonly #config: LoadConfig;
  readonly #history: LineFile;
  readonly #clients: readonly VirtualClient[];
  readonly #inFlight = new Map<number, number>(); // seq -> intended; in order of seq, so of age
  #counts: Record<Outcome, number> = { ok: 0, failed: 0, unknown: 0 };

  constructor(config: LoadConfig, history: LineFile) {
    this.#config = config;
    this.#history = history;
    const trust = trustOf(config);
    const { rate } = config;
    this.#clients = Array.from(
      { length: clientsIn(rate) },
      (_, client) => new VirtualClient(config, trust, rate.clients, classOf(client, rate) === "read-fresh"),
    );
  }

  #now(): number {
    return Number(process.hrtime.bigint() - this.clock) / 1e6;
  }

  stats(): LoadMessage {
    const counts = this.#counts;
    this.#counts = { ok: 0, failed: 0, unknown: 0 };
    const [oldest] = this.#inFlight.values();
    return {
      type: "stats",
      ...counts,
      oldestMs: oldest === undefined ? 0 : Math.round(this.#now() - oldest),
    };
  }

  async run(stop: AbortSignal, abandon: AbortSignal): Promise<void> {
    await this.#sendUntil(AbortSignal.any([stop, abandon]));
    const givenUp = (): boolean => abandon.aborted || this.#history.error !== null;
    while (this.#inFlight.size > 0 && !givenUp()) await delay(10);
    if (this.#history.error !== null) throw this.#history.error;
  }

  #sendUntil(stop: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const sendDue = (): void => {
        if (stop.aborted || this.#history.error !== null) {
          resolve();
          return;
        }
        const now = this.#now(); // once: a generator that cannot keep up must still read answers
        while (intendedAt(this.requests, this.#config.rate) <= now) this.#send(this.requests++);
        setTimeout(sendDue, Math.max(0, intendedAt(this.requests, this.#config.rate) - this.#now()));
      };
      sendDue();
    });
  }

  #send(seq: number): void {
    const intended = intendedAt(seq, this.#config.rate);
    const client = clientOf(seq, this.#config.rate);
    const requestClass = this.#classOf(client);
    const id = requestClass === "write" ? writeId(this.#config.run, seq) : null;
    this.#inFlight.set(seq, intended);
    const sent = this.#now();
    const answered = this.#clients[client]?.send(this.#request(id));
    void answered?.then((answer) =>
      this.#record({ seq, class: requestClass, client, intended, sent, id }, answer),
    );
  }

  #classOf(client: number): RequestClass {
    const requestClass = classOf(client, this.#config.rate);
    return requestClass === "write" && this.#config.workload.write === undefined ? "read" : requestClass;
  }

  #request(id: string | null): Request {
    const { read, write } = this.#config.workload;
    if (id === null || write === undefined) return { method: "GET", path: read };
    return {
      method: "POST",
      path: write.replaceAll("{id}", encodeURIComponent(id)),
      body: JSON.stringify({ id, value: valueOf(id) }),
    };
  }

  #record(
    request: {
      seq: number;
      class: RequestClass;
      client: number;
      intended: number;
      sent: number;
      id: string | null;
    },
    { sent: left, status, timedOut, error }: Answer,
  ): void {
    const outcome = outcomeOf({ write: request.id !== null, sent: left, status, timedOut });
    this.#inFlight.delete(request.seq);
    if (error !== SKIPPED) this.#counts[outcome]++;
    this.#history.write(
      formatLine({
        ...request,
        sent: round(request.sent),
        done: round(this.#now()),
        outcome,
        status,
        error: outcome === "ok" ? null : (error ?? "http"),
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.#history.close();
  }
}

const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const round = (ms: number): number => Math.round(ms * 1000) / 1000;
