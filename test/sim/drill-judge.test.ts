import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { RequestRecord } from "../../src/core/drill/history.ts";
import { judge, type Marks } from "../../src/core/drill/judge.ts";
import { type Interval, lengthOf } from "../../src/core/drill/outages.ts";
import { classOf, clientOf, intendedAt, spacingMs } from "../../src/core/drill/schedule.ts";

const rate = { perSecond: 200, clients: 20 };
const SPACING = spacingMs(rate);
const END = 30_000;
const LATENCY = 5;

const marks: Marks = {
  fault: "simulated",
  title: "simulated",
  target: "service",
  baseline: 0,
  inject: 0,
  prove: 0,
  heal: 0,
  recovered: 0,
  end: END,
  tookEffect: true,
  proof: "simulated",
  recoveredBy: "itself",
  notRecovered: null,
};
const objectives = { recoveryTimeMs: 60_000, noDataLoss: true, noIdempotentFailures: false };

type Behaviour = "refuse" | "hang";

/** Down intervals, at least twice the sampling apart, each long enough that the slow limit does not matter. */
const truth = fc
  .array(
    fc.record({ gap: fc.integer({ min: 300, max: 4000 }), length: fc.integer({ min: 400, max: 5000 }) }),
    {
      maxLength: 4,
    },
  )
  .map((pieces) => {
    const intervals: Interval[] = [];
    let at = 0;
    for (const { gap, length } of pieces) {
      intervals.push({ from: at + gap, to: at + gap + length });
      at += gap + length;
    }
    return intervals.filter(({ to }) => to < END - 2 * SPACING);
  });

/** An open-loop client of a service that is down in the intervals: it refuses at once, or answers when up again. */
function simulate(down: readonly Interval[], behaviour: Behaviour): RequestRecord[] {
  const count = Math.floor((END * rate.perSecond) / 1000);
  return Array.from({ length: count }, (_, seq): RequestRecord => {
    const intended = intendedAt(seq, rate);
    const client = clientOf(seq, rate);
    const outage = down.find(({ from, to }) => intended >= from && intended < to);
    const refused = outage !== undefined && behaviour === "refuse";
    return {
      seq,
      class: classOf(client, rate),
      client,
      intended,
      sent: intended,
      done: refused ? intended + 1 : (outage?.to ?? intended) + LATENCY,
      outcome: refused ? "failed" : "ok",
      status: refused ? null : 200,
      error: refused ? "ECONNREFUSED" : null,
      id: classOf(client, rate) === "write" ? `run-${seq}` : null,
    };
  });
}

test.each(["refuse", "hang"] as const)(
  "%s: the judged outage is the truth within the sampling",
  (behaviour) => {
    fc.assert(
      fc.property(truth, (down) => {
        const history = simulate(down, behaviour);
        const result = judge({ history, readBack: [], samplingMs: SPACING }, marks, objectives);
        const longest = Math.max(0, ...down.map(lengthOf));
        const total = down.reduce((sum, interval) => sum + lengthOf(interval), 0);
        expect(Math.abs(result.longestOutageMs - longest)).toBeLessThanOrEqual(SPACING + LATENCY);
        expect(Math.abs(result.unavailableMs - total)).toBeLessThanOrEqual(down.length * (SPACING + LATENCY));
        const wrong = history.filter((record) => record.outcome !== "ok").length;
        expect(result.failedRequests).toBe(wrong);
      }),
      { numRuns: 60 },
    );
  },
);

test("exactly the acknowledged writes that a lying service dropped are reported lost", () => {
  fc.assert(
    fc.property(truth, fc.integer({ min: 2, max: 50 }), (down, everyNth) => {
      const history = simulate(down, "refuse");
      const writes = history.filter((record) => record.class === "write");
      const dropped = new Set(
        writes.filter((w, index) => w.outcome === "ok" && index % everyNth === 0).map(({ id }) => id),
      );
      const readBack = writes.map(({ id, outcome, intended }) => {
        const there = outcome === "ok" && !dropped.has(id);
        const found = there ? ("same" as const) : ("absent" as const);
        return { id: id ?? "", outcome, intended, found, copies: there ? 1 : 0 };
      });
      const result = judge({ history, readBack, samplingMs: SPACING }, marks, objectives);
      expect(new Set(result.lostWrites)).toEqual(dropped);
      expect(result.phantomWrites).toEqual([]);
      expect(result.verdict).toBe(dropped.size > 0 ? "fail" : "pass");
    }),
    { numRuns: 30 },
  );
});
