/**
 * The load generator against the truth: `node bench/generator.ts [--rate 500,5000] [--runs 3] [--only TEXT]`.
 * Every case of the self-test, so many times; the worst error of each figure beside what is allowed.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { cases, compare, excuse, type Figure, isOff, lagOf } from "../test/support/behaviours.ts";
import { ScriptedService } from "../test/support/scripted.ts";

const TRIES = 5;
const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "500,5000" },
    runs: { type: "string", default: "3" },
    only: { type: "string", default: "" },
  },
});

const service = await ScriptedService.start();
let wrong = 0;
try {
  console.log(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
  for (const rate of values.rate.split(",").map(Number)) {
    console.log(
      `\n${rate} requests a second: error of each figure in ms (counts: in requests), worst of ${values.runs}`,
    );
    for (const one of cases.filter(({ name }) => name.includes(values.only)))
      wrong += await benchCase(rate, one);
  }
} finally {
  await service.stop();
}
process.exitCode = wrong === 0 ? 0 : 1;

async function benchCase(rate: number, one: (typeof cases)[number]): Promise<number> {
  const worst = new Map<string, Figure>();
  const lags: number[] = [];
  let busy = 0;
  for (let run = 0; run < Number(values.runs);) {
    const measured = await service.run(rate, one.script, one.readBack);
    const figures = compare(one, rate, measured);
    const why = excuse(measured, figures.filter(isOff));
    if (why !== null && ++busy < TRIES) continue;
    if (why !== null) {
      console.log(
        `  ?  ${one.name}: ${why}, ${TRIES} times; last: ${figures.filter(isOff).map(say).join(", ")}`,
      );
      return 1;
    }
    run++;
    lags.push(lagOf(measured));
    for (const figure of figures) {
      const before = worst.get(figure.what);
      if (before === undefined || error(figure) > error(before)) worst.set(figure.what, figure);
    }
  }
  const off = [...worst.values()].filter(isOff);
  const of = (pattern: RegExp): string =>
    Math.max(0, ...[...worst.values()].filter(({ what }) => pattern.test(what)).map(error)).toFixed(1);
  console.log(
    `  ${off.length === 0 ? "ok" : "NO"}  ${one.name}: outage ${of(/outage/)}, percentiles ${of(/latency/)}, ` +
      `counts ${of(/served|503|writes/)}; send lag p99 ${Math.max(...lags).toFixed(1)}${busy > 0 ? `; ${busy} made again` : ""}`,
  );
  for (const { what, measured, truth, allowed } of off) {
    console.log(
      `        ${what}: measured ${measured.toFixed(1)}, truth ${truth.toFixed(1)}, allowed ± ${allowed}`,
    );
  }
  return off.length === 0 ? 0 : 1;
}

function say({ what, measured, truth, allowed }: Figure): string {
  return `${what}: measured ${measured.toFixed(1)}, truth ${truth.toFixed(1)}, allowed ± ${allowed}`;
}

function error({ measured, truth }: Figure): number {
  return Math.abs(measured - truth);
}
