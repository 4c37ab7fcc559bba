/**
 * What other load generators say of the same hang: `node bench/peer.ts [--runs 5] [--rate 1000]`.
 * autocannon and wrk (https://github.com/wg/wrk) are taken from PATH or `--autocannon PATH`, `--wrk PATH`; a tool that is
 * not there is left out. The service hangs for 2 s in the middle of 10 s.
 */
import { execFile } from "node:child_process";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { latencyOf } from "../src/core/drill/requests.ts";
import { percentile } from "../src/core/drill/statistics.ts";
import { ScriptedService } from "../test/support/scripted.ts";

const run = promisify(execFile);
const HANG = [
  { at: 4000, behaviour: { kind: "hang" } },
  { at: 6000, behaviour: { kind: "normal" } },
] as const;
const SECONDS = 10;

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "5" },
    rate: { type: "string", default: "1000" },
    autocannon: { type: "string", default: "autocannon" },
    wrk: { type: "string", default: "wrk" },
  },
});
const rate = Number(values.rate);
const tools: Record<string, () => Promise<number | null>> = { holdfast: own, autocannon, wrk };

const service = await ScriptedService.start();
/** 99th percentile that clients had who came at a constant rate, by the server's own log of the hang, ms. */
const truths: number[] = [];
const found = new Map<string, number[]>();
try {
  for (let number = 0; number < Number(values.runs); number++) {
    for (const [name, measure] of Object.entries(tools)) {
      const p99 = await measure().catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return null;
        throw error;
      });
      if (p99 !== null) found.set(name, [...(found.get(name) ?? []), p99]);
    }
  }
} finally {
  await service.stop();
}
console.log(
  `${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}; ${rate}/s, a hang of 2 s in ${SECONDS} s`,
);
console.log(`true 99th percentile: ${range(truths)} ms`);
for (const [name, figures] of found) {
  const worst = figures.reduce((a, b) =>
    Math.abs(b - median(truths)) > Math.abs(a - median(truths)) ? b : a,
  );
  console.log(
    `${name}: median ${median(figures).toFixed(0)} ms, worst ${worst.toFixed(0)} ms of ${figures.length}`,
  );
}

async function own(): Promise<number> {
  const { history, truth } = await service.run(rate, { phases: HANG, end: SECONDS * 1000 });
  noteTruth(truth.downs);
  return latencyOf(history).p99;
}

function noteTruth(downs: readonly { readonly from: number; readonly over: number }[]): void {
  const [down] = downs;
  if (down === undefined) return;
  const waits = Array.from({ length: rate * SECONDS }, (_, index) => {
    const at = (index * 1000) / rate;
    return at >= down.from && at < down.over ? down.over - at : 0;
  });
  truths.push(percentile(waits, 0.99));
}

/** Runs a tool while the script runs. */
async function withHang(command: string, args: readonly string[]): Promise<string> {
  service.script(process.hrtime.bigint(), HANG);
  const { stdout } = await run(command, [...args, `${service.origin}/items`], {
    env: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0" },
    maxBuffer: 1 << 26,
  });
  await sleep(100);
  noteTruth((await service.log()).downs);
  return stdout;
}

async function autocannon(): Promise<number> {
  const args = [
    "--connections",
    "20",
    "--overallRate",
    String(rate),
    "--duration",
    String(SECONDS),
    "--json",
  ];
  const { latency } = JSON.parse(await withHang(values.autocannon, args)) as { latency: { p99: number } };
  return latency.p99;
}

async function wrk(): Promise<number> {
  const text = await withHang(values.wrk, [
    "--connections",
    "20",
    "--threads",
    "1",
    "--duration",
    `${SECONDS}s`,
    "--latency",
  ]);
  const [, number = "0", unit = "ms"] = /99%\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  return Number(number) * { us: 0.001, ms: 1, s: 1000 }[unit as "us" | "ms" | "s"];
}

function median(figures: readonly number[]): number {
  return percentile(figures, 0.5);
}

function range(figures: readonly number[]): string {
  return `${Math.min(...figures).toFixed(0)} to ${Math.max(...figures).toFixed(0)}`;
}
