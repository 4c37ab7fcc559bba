import { assert, constantFrom, integer, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { describeAction, strategies } from "./actions.ts";
import { downtimeMs } from "./downtime.ts";
import { judgeTraffic, limitsOf, trafficBetween } from "./gate.ts";
import { chooseStrategy, parseRelease } from "./package.ts";
import {
  actionsOf,
  advance,
  beginUpgrade,
  canTurnBack,
  currentAction,
  progressOf,
  recordSchema,
  turnBack,
  type UpgradeRecord,
} from "./record.ts";

const begun = (change: Partial<UpgradeRecord> = {}): UpgradeRecord => ({
  ...beginUpgrade({
    strategy: "rolling",
    rollback: "release",
    hosts: ["app1", "app2"],
    from: { version: "1.0.0", sha256: "a".repeat(64), package: "/p/shop-1.0.0.tar.gz" },
    to: { version: "2.0.0", sha256: "b".repeat(64), package: "/p/shop-2.0.0.tar.gz" },
    startedAt: 0,
    responseMs: 10,
  }),
  ...change,
});
const walked = (record: UpgradeRecord, steps: number): UpgradeRecord =>
  steps === 0 ? record : walked(advance(record), steps - 1);
const told = (record: UpgradeRecord): string[] => actionsOf(record).map(describeAction);

describe("what is done", () => {
  it("rolling: one host is out of the pool at a time, and judged before the next", () => {
    expect(told(begun())).toEqual([
      "put the package on app1",
      "put the package on app2",
      "drain app1",
      "install on app1",
      "verify app1",
      "put back into the pool app1",
      "watch under live traffic app1",
      "drain app2",
      "install on app2",
      "verify app2",
      "put back into the pool app2",
      "watch under live traffic app2",
      "name the new package in the topology",
      "remove old releases from app1",
      "remove old releases from app2",
    ]);
  });

  // R1.8
  it("limited downtime: all are stopped before the first migrates, and it serves before the others are touched", () => {
    expect(told(begun({ strategy: "limited-downtime" })).slice(2, 9)).toEqual([
      "stop the service on app1, app2",
      "install on app1",
      "verify app1",
      "put back into the pool app1",
      "install on app2",
      "verify app2",
      "put back into the pool app2",
    ]);
  });

  it("goes back in reverse order, and only where something was begun", () => {
    const inDrain = turnBack(walked(begun(), 2), "no");
    expect(told(inDrain)).toEqual([
      "put back into the pool app1",
      "take the package off app1",
      "take the package off app2",
    ]);
    const inSecond = turnBack(walked(begun(), 8), "no");
    expect(told(inSecond)).toEqual(
      ["app2", "app1"].flatMap((host) => [
        `drain ${host}`,
        `install on ${host}`,
        `verify ${host}`,
        `put back into the pool ${host}`,
      ]),
    );
    const stopped = turnBack(walked(begun({ strategy: "limited-downtime" }), 3), "no");
    expect(told(stopped).slice(0, 2)).toEqual(["stop the service on app1, app2", "install on app2"]);
    const migrated = turnBack({ ...stopped, direction: "forward", rollback: "migration" }, "no");
    expect(told({ ...migrated, reached: 3 }).slice(0, 3)).toEqual([
      "stop the service on app1, app2",
      "take the migration back on app1",
      "install on app2",
    ]);
    expect(told({ ...migrated, reached: 2 })).not.toContain("take the migration back on app1");
  });

  it("is the same list wherever it was cut, ends, and never drains a host twice at once", () => {
    assert(
      property(
        constantFrom(...strategies),
        integer({ min: 2, max: 6 }),
        integer({ min: 0, max: 60 }),
        (strategy, count, failAt) => {
          let record = begun({
            strategy,
            hosts: Array.from({ length: count }, (_, index) => `app${index + 1}`),
          });
          const out = new Set<string>();
          for (let step = 0; ; step += 1) {
            expect(step).toBeLessThan(100);
            if (step === failAt && canTurnBack(record)) record = turnBack(record, "because");
            // What is read back from disk is what was kept.
            record = recordSchema.parse(JSON.parse(JSON.stringify(record)));
            const action = currentAction(record);
            if (action === undefined) break;
            if (action.kind === "drain") out.add(action.host);
            if (action.kind === "admit") out.delete(action.host);
            expect(out.size).toBeLessThanOrEqual(record.direction === "back" ? 2 : 1);
            record = advance(record);
          }
          expect([...out]).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("says where it is, and what is next", () => {
    expect(progressOf(walked(begun(), 7))).toBe(
      "the upgrade from 1.0.0 to 2.0.0 is unfinished: 7 of 15 done, next: drain app2",
    );
    expect(progressOf(turnBack(walked(begun(), 7), "no"))).toBe(
      "going back from 2.0.0 to 1.0.0 is unfinished: 0 of 6 done, next: put back into the pool app2",
    );
  });

  it("cannot be taken back when the package says so, twice, or once the topology names the new one", () => {
    expect(canTurnBack(begun({ rollback: "none" }))).toBe(false);
    expect(canTurnBack(turnBack(begun(), "no"))).toBe(false);
    expect(canTurnBack(walked(begun(), 11))).toBe(true);
    expect(canTurnBack(walked(begun(), 12))).toBe(false);
  });
});

describe("what a package says", () => {
  const compatible = { backwardCompatibleWith: ["1.0.0"], downgradesTo: ["0.8.0"] };
  const choose = (change: Partial<Parameters<typeof chooseStrategy>[1]>, release = compatible) =>
    chooseStrategy(release, { from: "1.0.0", hosts: 2, asked: undefined, noRollback: false, ...change });

  it("decides about the strategy", () => {
    expect(choose({})).toEqual({ strategy: "rolling", rollback: "release" });
    expect(choose({ hosts: 1 })).toEqual({ strategy: "limited-downtime", rollback: "release" });
    expect(choose({ asked: "limited-downtime" })).toEqual({
      strategy: "limited-downtime",
      rollback: "release",
    });
    expect(choose({ asked: "rolling", hosts: 1 })).toHaveProperty("refused");
  });

  it("refuses before the start what could not be taken back, unless the operator wants that", () => {
    expect(choose({ from: "0.9.0" })).toMatchObject({
      refused: expect.stringMatching(/^this upgrade could not be rolled back/),
    });
    expect(choose({ from: "0.9.0", noRollback: true })).toEqual({
      strategy: "limited-downtime",
      rollback: "none",
    });
    expect(choose({ from: "0.8.0" })).toEqual({ strategy: "limited-downtime", rollback: "migration" });
    expect(choose({ from: "0.9.0", asked: "rolling", noRollback: true })).toHaveProperty("refused");
  });

  it("is read strictly: a misspelt promise is a mistake, none is no promise", () => {
    expect(parseRelease(null)).toEqual({ backwardCompatibleWith: [], downgradesTo: [] });
    expect(parseRelease('{"backwardCompatibleWith":["1.0.0"],"downgradesTo":["0.8.0"]}')).toEqual(compatible);
    expect(parseRelease('{"backwardCompatible":["1.0.0"]}')).toMatch(/Unrecognized key/);
    expect(parseRelease("{")).toMatch(/JSON/);
  });
});

describe("the gate", () => {
  const traffic = (requests: number, failures = 0, responseMs = 10) => ({ requests, failures, responseMs });
  const limits = limitsOf({}, 10);
  const none = traffic(0);

  it("lets good traffic pass, and a host without any", () => {
    expect(judgeTraffic(traffic(1000, 9), traffic(1000), limits)).toBeNull();
    expect(judgeTraffic(none, none, limits)).toBeNull();
    expect(judgeTraffic(traffic(20, 2), none, limits)).toBeNull();
  });

  it("stops errors, also those that another host answered for, and slow answers", () => {
    expect(judgeTraffic(traffic(1000, 20), traffic(1000, 2), limits)).toBe(
      "20 of 1000 requests failed (2.0 %; allowed 1.0 %, the other hosts 0.2 %)",
    );
    expect(judgeTraffic(traffic(0, 30), traffic(1000), limits)).toMatch(/^30 of 30 requests failed \(100 %/);
    expect(judgeTraffic(traffic(1000, 0, 200), traffic(1000), limits)).toBe(
      "it answers in 200 ms (allowed 130 ms)",
    );
    expect(judgeTraffic(traffic(1000, 0, 200), traffic(1000), limitsOf({}, null))).toBeNull();
  });

  it("takes the topology's objectives instead of its own limits", () => {
    const strict = limitsOf({ errorRate: 0.001, responseTime: 50 }, 500);
    expect(judgeTraffic(traffic(1000, 4), none, strict)).toMatch(/allowed 0.1 %/);
    expect(judgeTraffic(traffic(1000, 0, 60), none, strict)).toBe("it answers in 60 ms (allowed 50 ms)");
  });

  it("does not blame the release for what fails everywhere", () => {
    expect(judgeTraffic(traffic(1000, 300), traffic(1000, 290), limits)).toBeNull();
  });

  it("counts an entry host whose HAProxy started again from 0", () => {
    const looks = [
      { before: traffic(1000, 5), after: traffic(1200, 6, 20) },
      { before: traffic(700, 3), after: traffic(10, 1, 90) },
    ];
    expect(trafficBetween(looks)).toEqual({ requests: 210, failures: 2, responseMs: 20 });
  });
});

describe("downtime", () => {
  const probes = (text: string) =>
    Array.from(text, (mark, index) => ({ at: index * 100, served: mark === "+" }));
  it("is told from the last good answer to the next, and adds up", () => {
    expect(downtimeMs(probes("++++"))).toBe(0);
    expect(downtimeMs(probes("++--+"))).toBe(300);
    expect(downtimeMs(probes("+-+++-+"))).toBe(400);
    expect(downtimeMs(probes("--+"))).toBe(200);
    expect(downtimeMs(probes("+--"))).toBe(200);
    expect(downtimeMs([])).toBe(0);
  });
});
