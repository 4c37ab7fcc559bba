import * as fc from "fast-check";
import { expect, it } from "vitest";
import { defaultSettings } from "./settings.ts";
import { initialMemory, step } from "./step.ts";
import type { Member, Observation, PoolMemory, PoolSettings, PoolStep } from "./types.ts";

const zones = ["a", "b", "c"];

const size = fc
  .record({
    min: fc.integer({ min: 1, max: 3 }),
    more: fc.integer({ min: 0, max: 3 }),
    spares: fc.integer({ min: 0, max: 2 }),
    target: fc.constantFrom(null, 100),
  })
  .map(({ min, more, spares, target }) => defaultSettings({ min, max: min + more, spares, zones, target }));

const member = (index: number): fc.Arbitrary<Member> =>
  fc.record({
    id: fc.constant(`m${index}`),
    zone: fc.constantFrom(...zones),
    role: fc.constantFrom("standby", "serving", "serving", "draining"),
    machine: fc.constantFrom("running", "running", "running", "absent", "making", "failed", "removing"),
    entry: fc.constantFrom("up", "up", "down", "unknown"),
    monitor: fc.constantFrom("well", "well", "sick", "silent"),
    load: fc.constantFrom(null, 0, 50, 300),
    sessions: fc.constantFrom(null, 0, 3),
    outdated: fc.boolean(),
    protected: fc.boolean(),
  });

/** The same for some turns, then something else: time must be able to pass. */
const history = fc.array(
  fc.record({
    turns: fc.constantFrom(1, 2, 5, 40),
    seen: fc.record({
      members: fc
        .integer({ min: 0, max: 7 })
        .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => member(index)))),
      orphans: fc.subarray(["m8", "m9"]),
      desired: fc.integer({ min: 0, max: 8 }),
      room: fc.record({ a: fc.nat(2), b: fc.nat(2), c: fc.nat(2) }),
    }),
  }),
  { minLength: 1, maxLength: 6 },
);

/** What is wrong with a turn. */
type Check = (
  turn: PoolStep,
  observed: Observation,
  settings: PoolSettings,
  before: PoolMemory,
) => string | false | undefined;

/** The first thing that is wrong in any history; undefined when nothing ever is. */
function ever(check: Check): string | null {
  const outcome = fc.check(
    fc.property(size, history, (settings, parts) => {
      let memory = initialMemory(settings, 0);
      let now = 0;
      for (const { turns, seen } of parts) {
        for (let turn = 0; turn < turns; turn++) {
          now += settings.turnMs;
          const observed = { ...seen, at: now };
          const taken = step(settings, memory, observed, now);
          const wrong = check(taken, observed, settings, memory);
          if (typeof wrong === "string") throw new Error(`${wrong}: ${JSON.stringify(taken.actions)}`);
          memory = taken.memory;
        }
      }
    }),
    { numRuns: 100 },
  );
  return outcome.failed ? (fc.defaultReportMessage(outcome) ?? "failed") : null;
}

const isWell = ({ machine, entry, monitor }: Member): boolean =>
  machine === "running" && entry === "up" && monitor === "well";
const isSick = ({ entry, monitor }: Member): boolean => entry === "down" && monitor !== "well";

const drainedOf = ({ actions }: PoolStep, { members }: Observation): Member[] =>
  members.filter(
    ({ id, role }) => role === "serving" && actions.some((one) => one.kind === "drain" && one.id === id),
  );

it("never leaves fewer well hosts than the minimum by its own doing", () => {
  const wrong = ever((turn, observed, { min }) => {
    const well = observed.members.filter((one) => one.role === "serving" && isWell(one));
    const drained = drainedOf(turn, observed).filter(isWell).length;
    return drained > 0 && well.length - drained < min && "too few are left";
  });
  expect(wrong).toBeNull();
});

it("drains a serving host only when both judges call it sick, or both call it well", () => {
  const wrong = ever((turn, observed) => {
    const unclear = drainedOf(turn, observed).filter((one) => !isWell(one) && !isSick(one));
    return unclear[0] !== undefined && `${unclear[0].id} is drained though nobody is sure`;
  });
  expect(wrong).toBeNull();
});

it("asks of each member only what its role allows, and one thing", () => {
  const allowed = {
    standby: ["make", "serve", "drain"],
    serving: ["drain"],
    draining: ["remove", "forget"],
  };
  const wrong = ever(({ actions }, { members, orphans }) => {
    const named = actions.flatMap((action) => ("id" in action ? [action] : []));
    const writes = named.filter(({ kind }) => kind !== "make").map(({ id }) => id);
    if (new Set(writes).size !== writes.length) return "two things at once";
    return named
      .map(({ kind, id }) => {
        const of = members.find((one) => one.id === id);
        if (of === undefined) return (kind !== "remove" || !orphans.includes(id)) && `${id} does not exist`;
        if (kind === "serve" && !isWell(of)) return `${id} is not well`;
        return !allowed[of.role].includes(kind) && `${id} is ${of.role}`;
      })
      .find((wrong) => wrong !== false);
  });
  expect(wrong).toBeNull();
});

it("makes only as many machines as there is room, and its limits allow", () => {
  const wrong = ever(({ actions }, { members, orphans, room }, { max, spares }, before) => {
    const reserved = actions.flatMap((action) => (action.kind === "reserve" ? [action.zone] : []));
    if (reserved.length > before.makes.tokens + 1) return "more than the limit";
    const of = (zone: string): number => reserved.filter((one) => one === zone).length;
    if (zones.some((zone) => of(zone) > (room[zone] ?? 0))) return "no room";
    const there = members.filter(({ role, machine }) => role !== "draining" || machine !== "absent").length;
    const all = there + orphans.length + reserved.length;
    return reserved.length > 0 && all > 2 * max + spares && `${all} machines`;
  });
  expect(wrong).toBeNull();
});

it("leaves nothing to whoever goes on after it: the same is there, the same is asked for", () => {
  const wrong = ever((turn, observed, settings, before) => {
    const again = step(settings, before, observed, observed.at);
    return JSON.stringify(again.actions) !== JSON.stringify(turn.actions) && "something else";
  });
  expect(wrong).toBeNull();
});
