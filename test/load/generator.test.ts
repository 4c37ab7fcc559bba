/**
 * The measuring instrument itself: the load generator against a service whose every failing is known, from
 * the service's own log. What it says must be true within the sampling interval and 5 ms.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Case, cases, compare, excuse, type Figure, isOff } from "../support/behaviours.ts";
import { ScriptedService } from "../support/scripted.ts";

// A machine that was too busy says nothing about the generator: then the run is made again, not passed.
const TRIES = 4;

let service: ScriptedService;
beforeAll(async () => {
  service = await ScriptedService.start();
});
afterAll(() => service.stop());

/** Skips the test when the machine was too busy every time: that is no pass, and no failure of the generator. */
async function errorsOf(one: Case, perSecond: number, skip: (note: string) => void): Promise<string[]> {
  const busy: string[] = [];
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const measured = await service.run(perSecond, one.script, one.readBack);
    const off = compare(one, perSecond, measured).filter(isOff);
    const why = excuse(measured, off);
    if (why === null) return off.map(say);
    busy.push([why, ...off.map(say)].join(", "));
  }
  skip(`the machine was too busy for a measurement ${TRIES} times:\n${busy.join("\n")}`);
  return busy;
}

const say = ({ what, measured, truth, allowed }: Figure): string =>
  `${what}: measured ${measured.toFixed(1)}, truth ${truth.toFixed(1)} ± ${allowed}`;

test("there are at least twenty behaviours", () => {
  expect(cases.length).toBeGreaterThanOrEqual(20);
});

describe("500 requests a second", () => {
  test.for(cases)("$name", async (one, { skip }) => {
    expect(await errorsOf(one, 500, skip)).toEqual([]);
  });
});

describe("5,000 requests a second", () => {
  test.for(cases)("$name", async (one, { skip }) => {
    expect(await errorsOf(one, 5000, skip)).toEqual([]);
  });
});

test("a server whose log says otherwise than the clients saw is noticed: the comparison can fail", async () => {
  const [nothing] = cases;
  const hang = cases.find(({ hangs }) => hangs);
  if (nothing === undefined || hang === undefined) throw new Error("the cases are gone");
  const measured = await service.run(500, nothing.script);
  const down = { kind: "hang", from: 900, over: 1300, to: 1300 } as const;
  const lied = { ...measured, truth: { ...measured.truth, downs: [down] } };
  const wrong = compare(hang, 500, lied)
    .filter(isOff)
    .map(({ what }) => what);
  expect(wrong).toEqual(expect.arrayContaining(["longest outage of read", "latency p99"]));
});
