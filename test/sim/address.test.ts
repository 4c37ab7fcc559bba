import { describe, expect, it } from "vitest";
import { mutations } from "./address/mutations.ts";
import { run } from "./address/run.ts";

/** Of each: a storm of faults or two, and the calm after it. `npm run sim:address` runs days. */
const HOURS = 1;
const SEEDS = 200;

it("keeps every invariant, whatever fails", () => {
  const outcomes = Array.from({ length: SEEDS }, (_, seed) => run(seed, HOURS));
  const broken = outcomes.filter(({ violations }) => violations.length > 0);
  expect(broken.map(({ seed, violations }) => ({ seed, violations }))).toEqual([]);
  // The world must be worth it: addresses move, and hosts that could have served did.
  expect(outcomes.reduce((sum, { moves }) => sum + moves, 0)).toBeGreaterThan(SEEDS);
});

it("a seed gives one history, another seed another", () => {
  const first = [11, 12, 13].map((seed) => run(seed, HOURS).digest);
  expect([11, 12, 13].map((seed) => run(seed, HOURS).digest)).toEqual(first);
  expect(new Set(first).size).toBe(3);
});

describe("a wrong controller is caught", () => {
  it.each(Object.entries(mutations))("%s", (_, controller) => {
    const caught = Array.from({ length: 60 }, (_, seed) => seed).find(
      (seed) => run(seed, 3, controller).violations.length > 0,
    );
    expect(caught).toBeDefined();
  });
});
