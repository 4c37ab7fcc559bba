import * as fc from "fast-check";
import { expect, test } from "vitest";
import { didYouMean, editDistance, nearest } from "./suggest.ts";

test.each([
  ["", "", 0],
  ["kitten", "sitting", 3],
  ["subnett", "subnet", 1],
  ["zonse", "zones", 1], // neighbours swapped
  ["abc", "", 3],
])("distance of %j and %j is %d", (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
});

test("a distance is symmetric, and zero only for equal words", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, b) === 0).toBe(a === b);
    }),
  );
});

test.each([
  ["readback", ["read", "readBack", "write"], "readBack"],
  ["max_connections", ["maxConnections"], "maxConnections"],
  ["healht", ["health", "hosts"], "health"],
  ["vip", ["hosts", "address"], undefined],
  ["b", ["a", "c"], undefined],
])("nearest to %j in %j is %j", (word, candidates, expected) => {
  expect(nearest(word, candidates)).toBe(expected);
  expect(didYouMean(word, candidates)).toBe(expected === undefined ? "" : `did you mean "${expected}"? `);
});
