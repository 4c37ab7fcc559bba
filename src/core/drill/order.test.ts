import { expect, test } from "vitest";
import { turnsOf } from "./order.ts";

const faults = Array.from({ length: 20 }, (_, index) => `fault-${index}`);
const names = (seed: number | null, repeats = 3): string[] =>
  turnsOf(faults, repeats, seed).map(({ fault, repeat }) => `${repeat} ${fault}`);

test("every fault once per round, in the order given without a seed", () => {
  expect(turnsOf(["a", "b"], 2, null)).toEqual([
    { fault: "a", repeat: 1 },
    { fault: "b", repeat: 1 },
    { fault: "a", repeat: 2 },
    { fault: "b", repeat: 2 },
  ]);
  expect(names(7).toSorted()).toEqual(names(null).toSorted());
});

test("a seed gives the same order again, another seed another, and each round its own", () => {
  expect(names(7)).toEqual(names(7));
  expect(names(7)).not.toEqual(names(8));
  const [first, second] = [1, 2].map((round) =>
    turnsOf(faults, 2, 7)
      .filter(({ repeat }) => repeat === round)
      .map(({ fault }) => fault),
  );
  expect(first).not.toEqual(second);
});
