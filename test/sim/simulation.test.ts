import { expect, it } from "vitest";
import { Random, Simulation } from "../support/simulation.ts";

function history(seed: number): { readonly times: readonly number[]; readonly digest: string } {
  const world = new Simulation(seed);
  const times: number[] = [];
  const act = (): void => {
    times.push(world.now);
    world.trace(`event ${times.length}`);
    for (let child = 0; child < 2 && times.length < 1000; child++) {
      world.after(world.random.gap(50), act);
    }
  };
  world.after(0, act);
  world.run(100_000);
  return { times, digest: world.digest };
}

it("a seed gives one history, another seed another", () => {
  expect(history(7)).toEqual(history(7));
  expect(history(7).digest).not.toBe(history(8).digest);
});

it("time never goes back, and everything due has happened", () => {
  const { times } = history(3);
  expect(times.length).toBeGreaterThanOrEqual(1000);
  expect(times).toEqual([...times].sort((one, other) => one - other));
});

it("what is due at one time comes in an order of the seed, not of the program", () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 50; seed++) {
    const world = new Simulation(seed);
    let order = "";
    for (const name of ["a", "b", "c"]) world.after(5, () => (order += name));
    world.run(4);
    expect(order).toBe("");
    world.run(5);
    orders.add(order);
  }
  expect(orders.size).toBe(6);
});

it("draws evenly", () => {
  const random = new Random(1);
  const gaps = Array.from({ length: 40_000 }, () => random.gap(10));
  expect(Math.abs(gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length - 10)).toBeLessThan(0.5);
  const drawn = Array.from({ length: 40_000 }, () => random.between(0, 3));
  for (const value of [0, 1, 2, 3]) {
    expect(Math.abs(drawn.filter((one) => one === value).length - 10_000)).toBeLessThan(500);
  }
});
