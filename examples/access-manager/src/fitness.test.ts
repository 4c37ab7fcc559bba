import { describe, expect, test } from "vitest";
import { failing, fitness, type FitnessInput, GRACE_MS } from "./fitness.ts";

const good: FitnessInput = {
  draining: false,
  cacheLoaded: true,
  ageMs: { database: 100, trail: 100 },
  peerHas: { database: true, trail: true },
};
const nobody = { database: false, trail: false };

describe("fitness", () => {
  test("all well", () => {
    expect(fitness(good)).toEqual({ fit: true, state: "ok", checks: { database: true, trail: true } });
  });
  test("a database failover of some seconds changes nothing, whatever peers say", () => {
    expect(fitness({ ...good, ageMs: { database: GRACE_MS.database, trail: 0 } }).fit).toBe(true);
  });
  test("a database that is away for all nodes leaves the pool full, degraded", () => {
    const all = fitness({ ...good, ageMs: { database: 600_000, trail: 0 }, peerHas: nobody });
    expect([all.fit, all.state, all.checks.database]).toEqual([true, "degraded", false]);
  });
  test("a node that alone has lost the database or its trail goes out", () => {
    for (const thing of ["database", "trail"] as const) {
      const alone = fitness({ ...good, ageMs: { ...good.ageMs, [thing]: Infinity } });
      expect([alone.fit, alone.state, alone.checks[thing]]).toEqual([false, "unfit", false]);
    }
  });
  test("a peer that has the other thing is no reason", () => {
    const input = {
      ...good,
      ageMs: { database: 60_000, trail: 0 },
      peerHas: { database: false, trail: true },
    };
    expect(fitness(input).fit).toBe(true);
  });
  test("not before the first load, not while draining", () => {
    expect(fitness({ ...good, cacheLoaded: false })).toMatchObject({ fit: false, state: "starting" });
    expect(fitness({ ...good, draining: true })).toMatchObject({ fit: false, state: "draining" });
  });
});

test("failing lists what is past its grace", () => {
  expect(failing({ database: GRACE_MS.database + 1, trail: 0 })).toEqual(["database"]);
  expect(failing({ database: 0, trail: 0 })).toEqual([]);
});
