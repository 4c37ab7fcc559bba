/**
 * Runs the pool controller's simulator: `npm run sim:pool -- --seeds 10000 --hours 24`.
 * `--from N` begins at another seed, `--workers N` uses other than all cores; `--seed N` lives one and tells it.
 * Ends with 1 when an invariant broke.
 */
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { type Outcome, product, run } from "../test/sim/pool/run.ts";

interface Job {
  readonly seed: number;
  readonly hours: number;
}

/** Every so many seeds one is lived twice: the same history, or it could not be replayed. */
const TWICE = 50;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      seeds: { type: "string", default: "1000" },
      hours: { type: "string", default: "24" },
      from: { type: "string", default: "0" },
      workers: { type: "string", default: String(availableParallelism()) },
    },
  });
  const hours = Number(values.hours);
  if (values.seed !== undefined) {
    const { violations } = run(Number(values.seed), hours, product, console.log);
    console.log(violations);
    process.exit(violations.length === 0 ? 0 : 1);
  }
  const [seeds, from, workers] = [values.seeds, values.from, values.workers].map(Number);
  if (!seeds || !hours || from === undefined || Number.isNaN(from) || !workers) {
    console.error("usage: npm run sim:pool -- --seeds N --hours H [--from N] [--workers N] [--seed N]");
    process.exit(2);
  }
  const total = new Total(seeds, hours);
  let next = from;
  await Promise.all(
    Array.from({ length: workers }, async () => {
      const worker = new Worker(new URL(import.meta.url));
      while (next < from + seeds) {
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
        worker.postMessage({ seed: next++, hours } satisfies Job);
        // Rejects with the worker's error.
        const [outcome] = (await once(worker, "message")) as [Outcome];
        total.add(outcome);
      }
      await worker.terminate();
    }),
  );
  total.print();
  if (total.broken > 0) process.exit(1);
}

class Total {
  readonly #seeds: number;
  readonly #hours: number;
  readonly #start = performance.now();
  #done = 0;
  broken = 0;
  readonly #counts = { faults: 0, turns: 0, makes: 0, drains: 0 };
  readonly #clean: number[] = [];
  readonly #spare: number[] = [];

  constructor(seeds: number, hours: number) {
    this.#seeds = seeds;
    this.#hours = hours;
  }

  add(outcome: Outcome): void {
    const { seed, violations, cleanTimes, spareTimes } = outcome;
    this.#done++;
    for (const name of ["faults", "turns", "makes", "drains"] as const) this.#counts[name] += outcome[name];
    this.#clean.push(...cleanTimes);
    this.#spare.push(...spareTimes);
    if (violations.length > 0) this.broken++;
    for (const { at, what } of violations) {
      console.log(`seed ${seed} at ${(at / 3_600_000).toFixed(3)} h: ${what}`);
      console.log(`  replay: npm run sim:pool -- --seed ${seed} --hours ${this.#hours}`);
    }
    if (this.#done % 100 === 0) console.error(`${this.#done} of ${this.#seeds} seeds: ${this.#speed()}`);
  }

  print(): void {
    const { faults, turns, makes, drains } = this.#counts;
    console.log(`${this.#done} seeds × ${this.#hours} simulated hours: ${this.broken} seeds with violations`);
    console.log(`${faults} faults, ${turns} turns, ${makes} machines made, ${drains} serving hosts drained`);
    console.log(`one host lost with all else in order, until full strength: ${quantiles(this.#clean)}`);
    console.log(`the same with a spare: ${quantiles(this.#spare)}`);
    console.log(this.#speed());
  }

  #speed(): string {
    const seconds = (performance.now() - this.#start) / 1000;
    return `${Math.round((this.#done * this.#hours) / seconds)} simulated hours per second`;
  }
}

function quantiles(times: number[]): string {
  const sorted = times.sort((one, other) => one - other);
  const at = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))] ?? 0;
  return `${at(0)} ms at least, ${at(0.5)} median, ${at(1)} at most (${sorted.length} times)`;
}

if (isMainThread) await main();
else {
  parentPort?.on("message", ({ seed, hours }: Job) => {
    const outcome = run(seed, hours);
    const same = seed % TWICE !== 0 || run(seed, hours).digest === outcome.digest;
    const violations = same ? outcome.violations : [{ at: 0, what: "the same seed gave two histories" }];
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage({ ...outcome, violations } satisfies Outcome);
  });
}
