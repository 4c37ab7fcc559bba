/** The probing client as its driver sees it. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

interface Sample {
  readonly sent: number;
  readonly ok: boolean;
  readonly done: number;
}

export interface Outage {
  /** The longest time in which no request that was sent was answered, ms. */
  readonly longestMs: number;
  readonly failed: number;
  /** The slowest answer, ms. */
  readonly slowestMs: number;
}

export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

export class Prober {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #samples: Sample[] = [];

  /** @param namespace that the client is in, by name */
  constructor(namespace: string, address: string, port: number, everyMs: number) {
    const program = [
      process.execPath,
      join(import.meta.dirname, "probe.ts"),
      address,
      String(port),
      String(everyMs),
    ];
    // A measuring instrument must not wait for the CPU behind what it measures.
    const argv = [`--net=/run/netns/${namespace}`, "chrt", "--rr", "1", ...program];
    this.#child = spawn("nsenter", argv, { stdio: ["pipe", "pipe", "inherit"] });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const [sent, ok, done] = line.split(" ").map(Number);
      this.#samples.push({ sent: sent ?? 0, ok: ok === 1, done: done ?? 0 });
    });
  }

  /** Resolves when every request of the last `ms` was answered. @throws Error after the deadline */
  async waitClean(ms: number, deadlineMs: number): Promise<void> {
    const start = now();
    for (;;) {
      const recent = this.#samples.filter(({ sent }) => sent >= now() - ms);
      const covered = now() - start >= ms;
      if (covered && recent.length > 0 && recent.every(({ ok }) => ok)) return;
      if (now() - start > deadlineMs) throw new Error(`clients are not served for ${ms} ms in a row`);
      await sleep(20);
    }
  }

  /** What clients saw of requests sent in the window. Call it a timeout (0.9 s) after `to`, when all are settled. */
  outage(from: number, to: number): Outage {
    const own = this.#samples
      .filter(({ sent }) => sent >= from && sent <= to)
      .sort((a, b) => a.sent - b.sent);
    let longestMs = 0;
    let since: number | null = null;
    for (const { sent, ok } of own) {
      if (!ok) since ??= sent;
      else if (since !== null) {
        longestMs = Math.max(longestMs, sent - since);
        since = null;
      }
    }
    if (since !== null) longestMs = Math.max(longestMs, to - since);
    const answered = own.filter(({ ok }) => ok).map(({ sent, done }) => done - sent);
    return { longestMs, failed: own.filter(({ ok }) => !ok).length, slowestMs: Math.max(0, ...answered) };
  }

  /** Forgets what was long ago. */
  forget(): void {
    this.#samples.splice(0);
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}
