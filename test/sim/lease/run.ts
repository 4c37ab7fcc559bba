/**
 * Many simulated database tiers, on every core: `npm run sim:lease -- --seeds 10000 --hours 1`.
 * One of them, told: `npm run sim:lease -- --seed 17 --hours 1`.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { live, type History } from "./hour.ts";

interface Lived extends History {
  readonly seed: number;
}

/** Every so many seeds one is lived twice: the same history, or it could not be replayed. */
const twice = 50;

function work({ hours }: { readonly hours: number }): void {
  parentPort?.on("message", (seed: number) => {
    const history = live(seed, hours);
    const same = seed % twice !== 0 || live(seed, hours).digest === history.digest;
    const violation = same ? history.violation : "the same seed gave two histories";
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage({ ...history, violation, seed } satisfies Lived);
  });
}

function runAll(first: number, seeds: number, hours: number, workers: number): void {
  const started = performance.now();
  let next = first;
  let told = started;
  const lived = { seeds: 0, faults: 0, acknowledged: 0 };
  const bad: Lived[] = [];
  const speed = (): string => {
    const seconds = (performance.now() - started) / 1000;
    return `${((lived.seeds * hours) / seconds).toFixed(1)} simulated hours a second on ${workers} workers`;
  };
  const give = (worker: Worker): void => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    worker.postMessage(next++);
  };
  const finished = (worker: Worker, history: Lived): void => {
    lived.seeds++;
    lived.faults += history.faults;
    lived.acknowledged += history.acknowledged;
    if (history.violation !== null) {
      bad.push(history);
      console.log(`seed ${history.seed}: ${history.violation}`);
    }
    if (performance.now() - told > 10_000) {
      told = performance.now();
      console.log(`${lived.seeds} of ${seeds} seeds, ${bad.length} bad, ${speed()}`);
    }
    if (next < first + seeds) give(worker);
    else void worker.terminate();
    if (lived.seeds === seeds) {
      console.log(
        `${seeds} seeds of ${hours} h: ${bad.length} bad; ${lived.faults} faults, ` +
          `${lived.acknowledged} writes acknowledged; ${speed()}`,
      );
      process.exitCode = bad.length === 0 ? 0 : 1;
    }
  };
  for (let index = 0; index < Math.min(workers, seeds); index++) {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { hours },
      // What a step allocates is garbage at the next: the larger, the less of it is looked at.
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    });
    worker.on("message", (history: Lived) => finished(worker, history));
    give(worker);
  }
}

if (isMainThread) {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      from: { type: "string", default: "0" },
      seeds: { type: "string", default: "1000" },
      hours: { type: "string", default: "1" },
      workers: { type: "string", default: String(availableParallelism()) },
    },
  });
  const hours = Number(values.hours);
  if (values.seed !== undefined) console.log(live(Number(values.seed), hours, {}, console.log));
  else runAll(Number(values.from), Number(values.seeds), hours, Number(values.workers));
} else {
  work(workerData as { readonly hours: number });
}
