import { describe, expect, it } from "vitest";
import { live } from "./hour.ts";
import { variants } from "./variants.ts";

/** Simulated hours per seed: some five bursts of faults. */
const hours = 0.15;

describe("the failover accelerator in a simulated database tier", () => {
  it.each([0, 1, 2, 3])("keeps its invariants, and heals in time (seeds ≡ %i mod 4)", (rest) => {
    for (let seed = rest; seed < 80; seed += 4) {
      expect({ seed, violation: live(seed, hours).violation }).toEqual({ seed, violation: null });
    }
  });

  it("does something in them", () => {
    const history = live(4, hours);
    expect(history.faults).toBeGreaterThan(20);
    expect(history.acknowledged).toBeGreaterThan(100);
  });

  it("gives the same history for the same seed", () => {
    expect(live(5, hours)).toEqual(live(5, hours));
    expect(live(5, hours).digest).not.toBe(live(8, hours).digest);
  });

  it.each(Object.entries(variants))("catches a mistake: %s", (_name, { seed, ...variant }) => {
    const tries = 40;
    let caught: string | null = null;
    for (let at = seed; at < seed + tries && caught === null; at++) {
      const { violation } = live(at, hours, variant);
      // Being slow is not what these mistakes are about.
      if (violation !== null && /both serve|is lost|all acknowledged writes/.test(violation))
        caught = violation;
    }
    expect(caught).not.toBeNull();
  });
});
