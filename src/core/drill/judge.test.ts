import { describe, expect, test } from "vitest";
import { type ReadBack, type RequestRecord, SKIPPED } from "./history.ts";
import { type Evidence, judge, type Marks, type Objectives } from "./judge.ts";
import { settled } from "./readback.ts";
import { percentile } from "./statistics.ts";

const marks: Marks = {
  fault: "app-kill",
  title: "kill",
  target: "app1",
  baseline: 0,
  inject: 1000,
  prove: 1100,
  heal: 4000,
  recovered: 5000,
  end: 8000,
  tookEffect: true,
  proof: "gone",
  recoveredBy: "systemd",
  notRecovered: null,
};
const objectives: Objectives = { recoveryTimeMs: 1000, noDataLoss: true, noIdempotentFailures: false };
const SPACING = 100;
const LATENCY = 5;

type Change = (record: RequestRecord) => Partial<RequestRecord>;

/** Four clients (two readers, one fresh reader, one writer), each every 100 ms for 10 s, served in 5 ms. */
function history(change: Change): RequestRecord[] {
  const classes = ["read", "read", "read-fresh", "write"] as const;
  return Array.from({ length: 400 }, (_, seq): RequestRecord => {
    const client = seq % classes.length;
    const requestClass = classes[client] ?? "read";
    const intended = seq * (SPACING / classes.length);
    const served: RequestRecord = {
      seq,
      class: requestClass,
      client,
      intended,
      sent: intended,
      done: intended + LATENCY,
      outcome: "ok",
      status: 200,
      error: null,
      id: requestClass === "write" ? `run-${seq}` : null,
    };
    return { ...served, ...change(served) };
  });
}

const allThere = (records: readonly RequestRecord[]): ReadBack[] =>
  records.flatMap(({ id, outcome, intended }) =>
    id === null ? [] : [{ id, outcome, intended, found: "same" as const, copies: 1 }],
  );

function evidenceOf(change: Change, readBack: (all: ReadBack[]) => ReadBack[] = (all) => all): Evidence {
  const records = history(change);
  return { history: records, readBack: readBack(allThere(records)), samplingMs: SPACING };
}

const within = (from: number, to: number, record: RequestRecord): boolean =>
  record.intended >= from && record.intended < to;
const refused = (record: RequestRecord): Partial<RequestRecord> => ({
  outcome: "failed",
  status: null,
  error: "ECONNREFUSED",
  done: record.intended + 1,
});
const served: Change = () => ({});
/** Hung from 2 to 4 s. */
const hung: Change = (r) => (within(2000, 4000, r) ? { done: 4005 } : {});
const late: Change = (r) => ({ ...hung(r), sent: r.intended + (r.seq % 50 === 0 ? 40 : 0) });
const unknownAndFailed: Change = (r) => {
  if (r.seq === 83) return { outcome: "unknown", status: null, error: "timeout" };
  return r.seq === 87 ? refused(r) : {};
};

describe("outages", () => {
  test("none: everything served in time", () => {
    const result = judge(
      evidenceOf(() => ({})),
      marks,
      objectives,
    );
    expect(result).toMatchObject({
      verdict: "pass",
      reasons: [],
      longestOutageMs: 0,
      unavailableMs: 0,
      failedRequests: 0,
      failedIdempotentRequests: 0,
      acknowledgedWritesLost: 0,
    });
    // From baseline (0) to end (8 s), one write each 100 ms.
    expect(result.acknowledgedWrites).toBe(80);
  });

  test("refusal: from the first refused request to the first answer after the last refusal", () => {
    const result = judge(
      evidenceOf((r) => (within(2000, 2600, r) ? refused(r) : {})),
      marks,
      objectives,
    );
    // Readers are refused at 2000 first and at 2525 last; the one that is due first after that is served at 2600 + 5.
    expect(result.longestOutageMsByClass).toEqual({ read: 605, "read-fresh": 605, write: 605 });
    expect(result.longestOutageMs).toBe(605);
    // The other reader was served again at 2625 + 5 only; nothing was asked in the 100 ms before 2000.
    expect(result.longestOutageRangeMsByClass?.read).toEqual({ low: 525, high: 730 });
    expect(result.unavailableMs).toBe(680);
    expect(result.failedRequests).toBe(24);
    expect(result.failedIdempotentRequests).toBe(18);
    expect(result.verdict).toBe("pass");
  });

  test("hang: answers that come when it ends are an outage although nothing failed", () => {
    const result = judge(
      evidenceOf((r) => (within(2000, 4000, r) ? { done: 4000 + LATENCY } : {})),
      marks,
      objectives,
    );
    expect(result.failedRequests).toBe(0);
    expect(result.longestOutageMs).toBe(2005);
    expect(result.verdict).toBe("fail");
    expect(result.reasons[0]).toContain("2 s; the objective is 1 s");
  });

  test("a hung request that is never answered ends its outage with the next one that is", () => {
    const evidence = evidenceOf((r) =>
      r.client === 0 && r.intended === 2000
        ? { outcome: "unknown", status: null, error: "timeout", done: 17_000 }
        : {},
    );
    const result = judge(evidence, marks, objectives);
    expect(result.longestOutageMs).toBe(SPACING + LATENCY);
    expect(result.failedRequests).toBe(1);
  });

  test("a set of sticky clients: the others being served does not hide it", () => {
    const evidence = evidenceOf((r) => (r.client === 1 && within(2000, 3000, r) ? refused(r) : {}));
    const result = judge(evidence, marks, objectives);
    expect(result.longestOutageMsByClass).toEqual({ read: 1005, "read-fresh": 0, write: 0 });
    expect(result.unavailableMs).toBe(1005);
  });

  test("clients that are served again do not end it for those that are not", () => {
    // Reader 0 is back at 2.5 s, reader 1 (another app host's) at 3 s.
    const evidence = evidenceOf((r) =>
      (r.client === 0 && within(2000, 2500, r)) || (r.client === 1 && within(2000, 3000, r))
        ? refused(r)
        : {},
    );
    expect(judge(evidence, marks, objectives).longestOutageMsByClass.read).toBe(1030);
  });

  test("of clients that wait long for their next turn, the others tell when it ended", () => {
    // Reader 0 was left out from its refusal at 2 s until 2.8 s; reader 1 was refused at 2025 last.
    const evidence = evidenceOf((r) => {
      if (r.class !== "read" || !within(2000, 2800, r)) return {};
      if (within(2000, 2100, r)) return refused(r);
      return r.client === 0 ? { outcome: "failed", status: null, error: SKIPPED, done: r.intended } : {};
    });
    const result = judge(evidence, marks, objectives);
    expect(result.longestOutageMsByClass.read).toBe(130);
    expect(result.longestOutageRangeMsByClass?.read).toEqual({ low: 25, high: 905 });
  });

  test("slow by more than 250 ms is an outage while it lasts, less is not", () => {
    const slow = judge(
      evidenceOf((r) => (r.seq === 80 ? { done: r.intended + 251 } : {})),
      marks,
      objectives,
    );
    expect(slow.longestOutageMs).toBe(251);
    const tolerated = judge(
      evidenceOf((r) => (r.seq === 80 ? { done: r.intended + 250 } : {})),
      marks,
      objectives,
    );
    expect(tolerated.longestOutageMs).toBe(0);
  });

  test("a lost SYN costs the fresh class its retransmission only", () => {
    const evidence = evidenceOf((r) => (r.seq === 82 ? { done: r.intended + 1010 } : {}));
    const result = judge(evidence, marks, objectives);
    expect(result.longestOutageMsByClass).toEqual({ read: 0, "read-fresh": 1010, write: 0 });
  });

  test("what never ends is cut at the end of the load, and counts", () => {
    const result = judge(
      evidenceOf((r) => (r.intended >= 6000 ? refused(r) : {})),
      marks,
      objectives,
    );
    expect(result.longestOutageMs).toBeGreaterThanOrEqual(3900);
    expect(result.verdict).toBe("fail");
  });

  test("only the fault's own window counts, with what was under way when it began", () => {
    const before = judge(
      evidenceOf((r) => (within(0, 900, r) ? refused(r) : {})),
      marks,
      objectives,
    );
    expect(before.failedRequests).toBe(0);
    const underWay = judge(
      evidenceOf((r) => (r.intended === 975 ? { done: 1600 } : {})),
      marks,
      objectives,
    );
    expect(underWay.longestOutageMs).toBe(625);
  });
});

describe("writes", () => {
  test("an acknowledged write that is absent or changed is lost: fail, whatever else is in doubt", () => {
    for (const found of ["absent", "other"] as const) {
      const evidence = evidenceOf(served, (all) => all.map((w, i) => (i === 3 ? { ...w, found } : w)));
      const result = judge(evidence, { ...marks, tookEffect: false }, objectives);
      expect(result).toMatchObject({ acknowledgedWritesLost: 1, lostWrites: ["run-15"], verdict: "fail" });
    }
  });

  test("a lost write is shown and accepted where the topology accepts loss", () => {
    const evidence = evidenceOf(served, (all) =>
      all.map((w, i) => (i === 3 ? { ...w, found: "absent" } : w)),
    );
    const result = judge(evidence, marks, { ...objectives, noDataLoss: false });
    expect(result).toMatchObject({ acknowledgedWritesLost: 1, verdict: "pass" });
  });

  test("an unknown write may be there or not; a failed one that is there is a phantom", () => {
    const result = judge(evidenceOf(unknownAndFailed), marks, objectives);
    expect(result).toMatchObject({ acknowledgedWritesLost: 0, phantomWrites: ["run-87"] });
  });

  test("two entries for one id are a duplicate", () => {
    const evidence = evidenceOf(served, (all) => all.map((w, i) => (i === 4 ? { ...w, copies: 2 } : w)));
    expect(judge(evidence, marks, objectives).duplicateWrites).toEqual(["run-19"]);
  });

  test("what is wrong is charged to the fault after which it was found first, once", () => {
    const evidence = evidenceOf(served);
    const at = (id: string): ReadBack => {
      const write = evidence.readBack.find((one) => one.id === id);
      if (write === undefined) throw new Error(`no write ${id}`);
      return write;
    };
    const readBack = settled([
      ...evidence.readBack.map((w) => ({ ...w, round: 0 })),
      { ...at("run-15"), found: "absent", round: 1 }, // there after the first fault, gone after the second
      { ...at("run-19"), copies: 2, round: 1 },
      { ...at("run-19"), copies: 2, round: 2 },
      { ...at("run-23"), found: "unreadable", round: 2 },
    ]);
    const of = (round: number) => judge({ ...evidence, readBack, round }, marks, objectives);
    expect(of(0)).toMatchObject({
      lostWrites: [],
      duplicateWrites: [],
      unverifiedWrites: 0,
      verdict: "pass",
    });
    expect(of(1)).toMatchObject({ lostWrites: ["run-15"], duplicateWrites: ["run-19"], verdict: "fail" });
    expect(of(2)).toMatchObject({ lostWrites: [], duplicateWrites: [], unverifiedWrites: 1 });
  });

  test("acknowledged and not read back: inconclusive, never pass", () => {
    for (const readBack of [
      (): ReadBack[] => [],
      (all: ReadBack[]) => all.map((w) => ({ ...w, found: "unreadable" as const })),
    ]) {
      const result = judge(evidenceOf(served, readBack), marks, objectives);
      expect(result).toMatchObject({
        verdict: "inconclusive",
        unverifiedWrites: 80,
        acknowledgedWritesLost: 0,
      });
    }
  });
});

describe("verdict", () => {
  test("idempotent failures fail only where the tier promises none", () => {
    const evidence = evidenceOf((r) => (r.seq === 80 ? refused(r) : {}));
    expect(judge(evidence, marks, objectives).verdict).toBe("pass");
    expect(judge(evidence, marks, { ...objectives, noIdempotentFailures: true }).verdict).toBe("fail");
  });

  test("a fault without effect is inconclusive", () => {
    const result = judge(
      evidenceOf(() => ({})),
      { ...marks, tookEffect: false },
      objectives,
    );
    expect(result).toMatchObject({ verdict: "inconclusive", tookEffect: false });
    expect(result.reasons[0]).toContain("no effect");
  });

  test("a late generator measured itself: inconclusive, when what it saw missed may be its own", () => {
    const passed = judge(evidenceOf(late), marks, { ...objectives, recoveryTimeMs: 3000 });
    expect(passed).toMatchObject({ verdict: "inconclusive", sendLagP99Ms: 40 });
    const missed = judge(evidenceOf(late), marks, { ...objectives, recoveryTimeMs: 1990 });
    expect(missed).toMatchObject({ verdict: "inconclusive" });
    expect(missed.reasons).toHaveLength(3);
  });

  test("a time that was missed by more than the generator was late by is missed", () => {
    const result = judge(evidenceOf(late), marks, objectives);
    expect(result).toMatchObject({ verdict: "fail", sendLagP99Ms: 40 });
    const without = judge(evidenceOf(late), { ...marks, tookEffect: false }, objectives);
    expect(without).toMatchObject({ verdict: "inconclusive" });
  });

  test("an undo that came early, or the operator, leaves no pass", () => {
    const early = { ...marks, endedEarly: "the undo fired early: on app1" };
    expect(judge(evidenceOf(served), early, objectives)).toMatchObject({
      verdict: "inconclusive",
      reasons: ["the undo fired early: on app1"],
    });
    expect(judge(evidenceOf(served), { ...marks, interrupted: true }, objectives)).toMatchObject({
      verdict: "inconclusive",
      reasons: ["the operator interrupted the drill during this fault"],
    });
  });

  test("what the topology promises and the service was not set up for is a fail", () => {
    const brokenPromise = "the topology promises dataLoss none and replication is asynchronous";
    expect(judge(evidenceOf(served), { ...marks, brokenPromise }, objectives)).toMatchObject({
      verdict: "fail",
      reasons: [brokenPromise],
    });
  });

  test("not healthy again is a fail", () => {
    const result = judge(
      evidenceOf(() => ({})),
      { ...marks, notRecovered: "data1 is stopped" },
      objectives,
    );
    expect(result).toMatchObject({ verdict: "fail", reasons: ["not healthy again: data1 is stopped"] });
  });

  test("no load, no verdict", () => {
    expect(judge({ history: [], readBack: [], samplingMs: 100 }, marks, objectives).verdict).toBe(
      "inconclusive",
    );
  });
});

describe("what is known of a figure", () => {
  test("an outage is an interval as wide as its class samples", () => {
    const evidence = evidenceOf((r) => (r.client === 2 && within(2000, 2600, r) ? refused(r) : {}));
    const result = judge({ ...evidence, samplingMsByClass: { "read-fresh": 200 } }, marks, objectives);
    expect(result.longestOutageMs).toBe(605);
    expect(result.longestOutageRangeMs).toEqual({ low: 500, high: 805 });
    expect(judge(evidence, marks, objectives).longestOutageRangeMs).toEqual({ low: 500, high: 705 });
    expect(judge(evidenceOf(served), marks, objectives).longestOutageRangeMs).toEqual({
      low: 0,
      high: SPACING,
    });
  });

  test("a pause of the generator is not held against the service", () => {
    // Nothing was sent for 1.1 s; then all that was due, and it was served at once. Too few for the 99th percentile.
    const paused: Change = (r) => (within(2000, 2050, r) ? { sent: 3100, done: 3105 } : {});
    const result = judge(evidenceOf(paused), marks, objectives);
    expect(result.sendLagP99Ms).toBe(0);
    expect(result).toMatchObject({
      longestOutageMs: 1105,
      sendLagInLongestMs: 1100,
      verdict: "inconclusive",
    });
    expect(result.longestOutageRangeMs?.low).toBe(LATENCY);
    const slowToo = evidenceOf((r) => (within(2000, 2050, r) ? { sent: 2100, done: 4005 } : {}));
    expect(judge(slowToo, marks, objectives).verdict).toBe("fail");
  });

  test("requests that were left out are neither served nor failed, and widen what is known", () => {
    // Of client 0 nothing was sent from 2.3 to 3.2 s but at 2.7 s; until 2.7 s it was refused.
    const skips: Change = (r) => {
      if (r.client !== 0) return {};
      if (within(2000, 2300, r)) return refused(r);
      if (r.intended === 2700 || !within(2300, 3200, r)) return {};
      return { outcome: "failed", status: null, error: SKIPPED, sent: r.intended, done: r.intended };
    };
    const result = judge(evidenceOf(skips), marks, { ...objectives, noIdempotentFailures: true });
    expect(result).toMatchObject({ skipped: 8, failedRequests: 3, longestOutageMsByClass: { read: 705 } });
    expect(result.longestOutageRangeMs).toEqual({ low: 200, high: 805 });
  });

  test("a request that was left out while others hung would have waited with them", () => {
    const evidence = evidenceOf((r) => {
      if (!within(2000, 3000, r)) return {};
      if (r.intended < 2100) return { done: 3000 };
      return { outcome: "failed", status: null, error: SKIPPED, done: r.intended };
    });
    const { latencyMsByClass, longestOutageMs } = judge(evidence, marks, objectives);
    expect(longestOutageMs).toBe(1000);
    // A tenth of the window's requests, evenly from 1,000 ms down.
    expect(latencyMsByClass?.write.p99).toBeGreaterThan(850);
    expect(latencyMsByClass?.write.p90).toBeGreaterThan(200);
  });

  test("latency by class counts from when a request was due, served ones only", () => {
    const evidence = evidenceOf((r) => {
      if (r.class === "write") return refused(r);
      return r.class === "read-fresh" ? { sent: r.intended + 3, done: r.intended + 9 } : {};
    });
    const { latencyMsByClass } = judge(evidence, marks, objectives);
    expect(latencyMsByClass?.["read-fresh"]).toEqual({ p50: 9, p90: 9, p99: 9, max: 9 });
    expect(latencyMsByClass?.write).toEqual({ p50: 0, p90: 0, p99: 0, max: 0 });
  });
});

test("percentile is by nearest rank", () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 1)).toBe(100);
  expect(percentile([], 0.99)).toBe(0);
});
