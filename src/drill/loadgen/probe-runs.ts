/** Probes in the order they were sent, written as runs of the same result: one line instead of a thousand. */
import type { ProbeProtocol, ProbesRecord } from "../../core/drill/observations.ts";

interface Probe {
  readonly sent: number;
  ok: boolean | null;
  tookMs: number;
}

type Run = { -readonly [Key in keyof ProbesRecord]: ProbesRecord[Key] };

/** A run is written at the latest after so many probes (10 s), so that little is lost with a killed observer. */
const LONGEST_RUN = 1000;

export class ProbeRuns {
  readonly #protocol: ProbeProtocol;
  readonly #record: (run: ProbesRecord) => void;
  readonly #pending: Probe[] = [];
  #run: Run | null = null;
  #closed: (() => void) | undefined;

  constructor(protocol: ProbeProtocol, record: (run: ProbesRecord) => void) {
    this.#protocol = protocol;
    this.#record = record;
  }

  /** A probe was sent. @returns to be called once, with its result and the time of it */
  sent(at: number): (ok: boolean, now: number) => void {
    const probe: Probe = { sent: at, ok: null, tookMs: 0 };
    this.#pending.push(probe);
    return (ok, now) => {
      if (probe.ok !== null) return;
      probe.ok = ok;
      probe.tookMs = Math.round((now - at) * 1000) / 1000;
      this.#settle();
    };
  }

  /** Waits for the probes still out, which end by their own time, and writes the last run. */
  async close(): Promise<void> {
    if (this.#pending.length > 0) await new Promise<void>((resolve) => (this.#closed = resolve));
    if (this.#run !== null) this.#record(this.#run);
    this.#run = null;
  }

  #settle(): void {
    for (let probe = this.#pending[0]; probe !== undefined && probe.ok !== null; probe = this.#pending[0]) {
      this.#pending.shift();
      this.#add(probe.sent, probe.ok, probe.tookMs);
    }
    if (this.#pending.length === 0) this.#closed?.();
  }

  #add(sent: number, ok: boolean, tookMs: number): void {
    const run = this.#run;
    if (run !== null && run.ok === ok && run.count < LONGEST_RUN) {
      run.to = sent;
      run.count++;
      if (run.slowestMs !== null) run.slowestMs = Math.max(run.slowestMs, tookMs);
      return;
    }
    if (run !== null) this.#record(run);
    const slowestMs = ok ? tookMs : null;
    this.#run = { kind: "probes", protocol: this.#protocol, ok, from: sent, to: sent, count: 1, slowestMs };
  }
}
