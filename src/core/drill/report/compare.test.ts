import { describe, expect, it } from "vitest";
import { compareRuns, comparisonLines } from "./compare.ts";
import type { Result } from "./model.ts";
import { readResult } from "./read.ts";

/** One injection as a verdict.json has it, sampled every 100 ms. */
function result(
  fault: string,
  longestOutageMs: number,
  more: Readonly<Record<string, unknown>> = {},
): Result {
  const read = readResult({
    fault,
    verdict: "pass",
    longestOutageMs,
    samplingMs: 100,
    longestOutageRangeMs: { low: Math.max(0, longestOutageMs - 100), high: longestOutageMs + 100 },
    ...more,
  });
  if (read === null) throw new Error("no result");
  return read;
}
const change = (a: readonly Result[], b: readonly Result[]): string[] =>
  compareRuns(a, b).map((one) => `${one.fault}: ${one.change}, ${one.because}`);

describe("two runs compared", () => {
  it("shows a difference only beyond the resolution", () => {
    expect(change([result("x", 500)], [result("x", 690)])).toEqual([
      "x: no difference shown, within the resolution (one injection: the spread is unknown)",
    ]);
    expect(change([result("x", 500)], [result("x", 701)])).toEqual([
      "x: longer, beyond the resolution (one injection: the spread is unknown)",
    ]);
    expect(change([result("x", 701)], [result("x", 500)])).toEqual([
      "x: shorter, beyond the resolution (one injection: the spread is unknown)",
    ]);
  });

  it("shows none within the spread of repeats, whatever the means are", () => {
    const a = [400, 500, 2000].map((ms) => result("x", ms));
    const b = [1900, 1950, 2050].map((ms) => result("x", ms));
    expect(change(a, b)).toEqual(["x: no difference shown, within resolution and spread"]);
    expect(
      change(
        a,
        [3000, 3100].map((ms) => result("x", ms)),
      ),
    ).toEqual(["x: longer, beyond resolution and spread"]);
  });

  it("compares nothing with what was inconclusive, not run or absent", () => {
    const unclear = result("x", 9000, { verdict: "inconclusive" });
    const notRun = result("y", 0, { verdict: "not-run", reason: "no clock" });
    expect(
      change([result("x", 100), result("y", 100), result("a", 1)], [unclear, notRun, result("b", 1)]),
    ).toEqual([
      "x: not comparable, inconclusive in B",
      "y: not comparable, not run in B",
      "a: only in A, B does not have it",
      "b: only in B, A does not have it",
    ]);
  });

  it("prints verdict, interval, repeats and lost writes of both", () => {
    const lines = comparisonLines(
      compareRuns(
        [result("x", 300)],
        [result("x", 2000, { verdict: "fail", acknowledgedWritesLost: 3 }), result("x", 1500)],
      ),
    );
    expect(lines[2]).toBe(
      "x      pass, 200–400 ms  fail, 1.4 s – 2.1 s (2×), 3 lost  +1.7 s      longer: beyond the resolution (one injection: the spread is unknown)",
    );
  });
});
