import { describe, expect, it } from "vitest";
import { conclusion } from "./conclusion.ts";
import { groupByFault, type Injection } from "./model.ts";
import { readResult } from "./read.ts";

function injection(
  fault: string,
  verdict: string,
  outageMs: number,
  more: Readonly<Record<string, unknown>> = {},
): Injection {
  const result = readResult({
    fault,
    verdict,
    longestOutageMs: outageMs,
    samplingMs: 100,
    acknowledgedWrites: 100,
    ...more,
  });
  if (result === null) throw new Error("no result");
  const objectives = { recoveryTimeMs: 1000, noDataLoss: true, noIdempotentFailures: false };
  const times = { baseline: 0, inject: 1, prove: 2, heal: 3, recovered: 4, end: 5 };
  const said = {
    fault,
    title: fault,
    target: "h",
    tookEffect: true,
    proof: "",
    recoveredBy: "",
    notRecovered: null,
  };
  const marks = verdict === "not-run" ? null : { ...said, ...times, objectives };
  return { result, marks, records: [], engineMarks: [], lines: [], otherFigures: [] };
}
const sentence = (injections: readonly Injection[], aborted: string | null = null): string =>
  conclusion(groupByFault(injections), aborted).replaceAll(/[\u00a0\u202f]/g, " ");

describe("a run in one sentence", () => {
  it("when all passed", () => {
    expect(sentence([injection("a", "pass", 0), injection("b", "pass", 300)])).toBe(
      "The topology met its objectives in all 2 faults that were run. The longest outage that clients saw was 200–400 ms (b). None of 200 acknowledged writes is lost.",
    );
  });

  it("when one repeat of many failed: the fault failed, and its worst outage is named", () => {
    const good = Array.from({ length: 9 }, () => injection("a", "pass", 100));
    expect(
      sentence([
        ...good,
        injection("a", "fail", 5000, { acknowledgedWritesLost: 2 }),
        injection("b", "inconclusive", 0),
      ]),
    ).toBe(
      "The topology missed its objectives in 1 of 2 faults: a; 1 is inconclusive: b. The longest outage that clients saw was 4.90–5.10 s (a). 2 acknowledged writes of 1 100 are lost.",
    );
  });

  it("never counts what was not run, or is unclear, as passed", () => {
    expect(sentence([injection("a", "not-run", 0)], "not healthy")).toBe(
      "No fault was run, so nothing is known. The run ended early: not healthy.",
    );
    expect(
      sentence([injection("a", "pass", 0), injection("b", "inconclusive", 0), injection("c", "not-run", 0)]),
    ).toContain("No objective was missed, and 1 of 2 faults passed; 1 is inconclusive: b.");
  });

  it("says when writes could not be verified", () => {
    expect(sentence([injection("a", "inconclusive", 0, { unverifiedWrites: 1 })])).toContain(
      "1 acknowledged write of 100 could not be read back; of the others none is lost.",
    );
  });
});
