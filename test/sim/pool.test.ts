import { describe, expect, it } from "vitest";
import { mutations } from "./pool/mutations.ts";
import { run } from "./pool/run.ts";

/** The first storm of faults and the calm after it; `npm run sim:pool` runs days. */
const HOURS = 3;
const SEEDS = 24;

it("keeps every invariant, whatever fails", () => {
  const outcomes = Array.from({ length: SEEDS }, (_, seed) => run(seed, HOURS));
  const broken = outcomes.filter(({ violations }) => violations.length > 0);
  expect(broken.map(({ seed, violations }) => ({ seed, violations }))).toEqual([]);
  // The world must be worth it: hosts were lost, and others took their place.
  expect(outcomes.reduce((sum, { drains }) => sum + drains, 0)).toBeGreaterThan(SEEDS);
});

it("a seed gives one history, another seed another", () => {
  const first = [11, 12, 13].map((seed) => run(seed, HOURS).digest);
  expect([11, 12, 13].map((seed) => run(seed, HOURS).digest)).toEqual(first);
  expect(new Set(first).size).toBe(3);
});

describe("a wrong controller is caught", () => {
  it.each(Object.entries(mutations))("%s", (_, brain) => {
    const seeds = Array.from({ length: 60 }, (_, index) => index + (brain.seed ?? 0));
    expect(seeds.find((seed) => run(seed, 4, brain).violations.length > 0)).toBeDefined();
  });
});
