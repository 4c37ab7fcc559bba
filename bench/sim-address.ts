/**
 * Runs the address controller's simulator: `npm run sim:address -- --seeds 10000 --hours 24`.
 * `--from N` begins at another seed, `--workers N` uses other than all cores. Ends with 1 when an invariant broke.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { type Outcome, run } from "../test/sim/address/run.ts";

interface Job {
  readonly seed: number;
  readonly hours: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1000" },
      hours: { type: "string", default: "24" },
      from: { type: "string", default: "1" },
      workers: { type: "string", default: String(availableParallelism()) },
    },
  });
  const [seeds, hours, from, workers] = [values.seeds, values.hours, values.from, values.workers].map(Number);
  if (!seeds || !hours || from === undefined || Number.isNaN(from) || !workers) {
    console.error("usage: npm run sim:address -- --seeds N --hours H [--from N] [--workers N]");
    process.exit(2);
  }
  const total = new Total(seeds, hours);
  let next = from;
  await Promise.all(
    Array.from({ length: workers }, async () => {
      const worker = new Worker(new URL(import.meta.url));
      while (next < from + seeds) total.add(await perform(worker, { seed: next++, hours }));
      await worker.terminate();
    }),
  );
  total.print();
  if (total.broken > 0) process.exit(1);
}

function perform(worker: Worker, job: Job): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("message", (outcome: Outcome) => {
      worker.off("error", reject);
      resolve(outcome);
    });
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(job);
  });
}

class Total {
  readonly #seeds: number;
  readonly #hours: number;
  readonly #start = performance.now();
  #done = 0;
  broken = 0;
  #moves = 0;
  #calls = 0;
  #outages: number[] = [];
  #longest = 0;

  constructor(seeds: number, hours: number) {
    this.#seeds = seeds;
    this.#hours = hours;
  }

  add({ seed, violations, moves, calls, cleanOutages, longestAfterChange }: Outcome): void {
    this.#done++;
    this.#moves += moves;
    this.#calls += calls;
    this.#longest = Math.max(this.#longest, longestAfterChange);
    for (const outage of cleanOutages) this.#outages.push(outage);
    if (violations.length > 0) this.broken++;
    for (const { at, what } of violations) {
      console.log(`seed ${seed} at ${(at / 3_600_000).toFixed(3)} h: ${what}`);
      console.log(`  replay: npm run sim:address -- --seeds 1 --from ${seed} --hours ${this.#hours}`);
    }
    if (this.#done % 500 === 0) console.error(`${this.#done} of ${this.#seeds} seeds: ${this.#speed()}`);
  }

  print(): void {
    const sorted = this.#outages.sort((one, other) => one - other);
    const at = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))] ?? 0;
    console.log(`${this.#done} seeds × ${this.#hours} simulated hours: ${this.broken} seeds with violations`);
    console.log(`${this.#moves} moves, ${this.#calls} calls to EC2`);
    console.log(
      `holder's power-off with all else in order (${sorted.length} times): clients without service for ` +
        `${at(0)} ms at least, ${at(0.5)} median, ${at(1)} at most`,
    );
    console.log(
      `longest after the last change of anything, with a host that could serve: ${this.#longest} ms`,
    );
    console.log(this.#speed());
  }

  #speed(): string {
    const seconds = (performance.now() - this.#start) / 1000;
    return `${Math.round((this.#done * this.#hours) / seconds)} simulated hours per second`;
  }
}

if (isMainThread) await main();
else {
  parentPort?.on("message", ({ seed, hours }: Job) => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage(run(seed, hours));
  });
}
