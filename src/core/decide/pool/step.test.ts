import { describe, expect, it } from "vitest";
import { defaultSettings } from "./settings.ts";
import { initialMemory, step } from "./step.ts";
import type { Member, Observation, PoolAction, PoolSettings } from "./types.ts";

const size = { min: 2, max: 4, spares: 0, zones: ["a", "b"], target: null };

const member = (id: string, over: Partial<Member> = {}): Member => ({
  id,
  zone: "a",
  role: "serving",
  machine: "running",
  entry: "up",
  monitor: "well",
  load: 50,
  sessions: 0,
  outdated: false,
  protected: false,
  ...over,
});

const sick = (id: string, over: Partial<Member> = {}): Member =>
  member(id, { entry: "down", monitor: "silent", ...over });

type Seen = Partial<Omit<Observation, "members" | "at">>;

/** A controller that sees what the test says, a turn a second. */
class Pool {
  readonly settings: PoolSettings;
  now = 0;
  #memory;

  constructor(settings: Partial<PoolSettings> = {}) {
    this.settings = { ...defaultSettings(size), ...settings };
    this.#memory = initialMemory(this.settings, 0);
  }

  /** What the last of so many seconds' turns asks for. */
  after(seconds: number, members: readonly Member[], seen: Seen = {}): readonly PoolAction[] {
    let actions: readonly PoolAction[] = [];
    for (let turn = 0; turn < seconds; turn++) actions = this.turn(members, seen).actions;
    return actions;
  }

  turn(members: readonly Member[], seen: Seen = {}): ReturnType<typeof step> {
    this.now += 1000;
    const observed = { at: this.now, members, orphans: [], desired: 2, room: { a: 9, b: 9 }, ...seen };
    const turn = step(this.settings, this.#memory, observed, this.now);
    this.#memory = turn.memory;
    return turn;
  }
}

const kinds = (actions: readonly PoolAction[]): string[] =>
  actions.map((action) => ("id" in action ? `${action.kind} ${action.id}` : action.kind));

const two = [member("m1"), member("m2", { zone: "b" })];

describe("a host that is lost", () => {
  const lost = [sick("m1"), member("m2", { zone: "b" })];

  it("is left alone for its grace, then another is made where fewest are", () => {
    const pool = new Pool();
    expect(pool.after(2, lost)).toEqual([]);
    expect(pool.after(1, lost)).toEqual([{ kind: "reserve", zone: "a" }]);
  });

  it("goes only when its replacement serves", () => {
    const pool = new Pool();
    pool.after(5, lost);
    const booting = member("m3", { role: "standby", entry: "down", monitor: "silent" });
    expect(pool.after(1, [...lost, { ...booting, machine: "absent" }])).toEqual([{ kind: "make", id: "m3" }]);
    expect(pool.after(3, [...lost, booting])).toEqual([]);
    expect(kinds(pool.after(1, [...lost, member("m3", { role: "standby" })]))).toEqual(["serve m3"]);
    expect(kinds(pool.after(1, [...lost, member("m3")]))).toEqual(["drain m1"]);
    const draining = { ...sick("m1"), role: "draining" as const };
    expect(kinds(pool.after(1, [draining, ...two.slice(1), member("m3")]))).toEqual(["remove m1"]);
    const gone = { ...draining, machine: "absent" as const };
    expect(kinds(pool.after(1, [gone, ...two.slice(1), member("m3")]))).toEqual(["forget m1"]);
  });

  it("goes first where there is no room for both, one at a time", () => {
    const pool = new Pool();
    expect(kinds(pool.after(4, lost, { room: { a: 0, b: 0 } }))).toEqual(["drain m1"]);
  });

  it("is replaced by a spare at once", () => {
    const pool = new Pool({ spares: 1 });
    const spare = member("m3", { role: "standby" });
    expect(kinds(pool.after(4, [...lost, spare]))).toEqual(["serve m3", "reserve"]);
  });

  it("stays when it comes back; who was made for it goes again after a while", () => {
    const pool = new Pool();
    pool.after(5, lost);
    const spare = member("m3", { role: "standby" });
    expect(pool.after(29, [...two, spare])).toEqual([]);
    expect(kinds(pool.after(1, [...two, spare]))).toEqual(["drain m3"]);
  });

  it("is one that is sick more often than well, too", () => {
    const pool = new Pool();
    let made = false;
    for (let round = 0; round < 6 && !made; round++) {
      made = pool.after(3, lost).length > 0 || pool.after(1, two).length > 0;
    }
    expect(made).toBe(true);
  });
});

describe("one judge alone condemns nobody", () => {
  it.each([
    ["the entry", { entry: "down" as const }, "the entry calls it down, its own monitor well"],
    ["the monitor", { monitor: "sick" as const }, "its own monitor calls it sick, the entry up"],
  ])("%s", (_, opinion, alarm) => {
    const pool = new Pool();
    const members = [member("m1", opinion), member("m2", { zone: "b" })];
    expect(pool.after(300, members)).toEqual([]);
    expect(pool.turn(members).alarms).toContain(`m1: ${alarm}`);
  });

  it("nor an entry that cannot be asked", () => {
    const pool = new Pool();
    const members = ["m1", "m2", "m3"].map((id) => sick(id, { entry: "unknown" }));
    expect(pool.after(300, members, { desired: 3 })).toEqual([]);
    expect(pool.after(300, members, { desired: 2 })).toEqual([]);
  });
});

describe("a pool that is mostly sick", () => {
  const members = [sick("m1"), sick("m2"), member("m3", { zone: "b" })];

  it("is added to and not taken from, with an alarm", () => {
    const pool = new Pool();
    const seen = { desired: 3 };
    expect(kinds(pool.after(4, members, seen))).toEqual(["reserve"]);
    const one = [...members, member("m4", { zone: "b" })];
    // Four serve where three are wanted, and two of them are well.
    expect(kinds(pool.after(1, one, seen))).toEqual(["reserve", "drain m1"]);
    const worse = [...members.slice(0, 2), sick("m3"), member("m4", { zone: "b" })];
    expect(kinds(pool.after(10, worse, seen))).not.toContain("drain m1");
    expect(pool.turn(worse, seen).alarms.join()).toMatch(/most of the pool is sick at once/);
  });

  it("is left alone where there is no room", () => {
    const pool = new Pool();
    expect(pool.after(100, members, { desired: 3, room: { a: 0, b: 0 } })).toEqual([]);
  });
});

describe("the size", () => {
  it("shrinks one by one, in the fullest zone, after a while, and never by a protected host", () => {
    const pool = new Pool();
    const members = [
      member("m1"),
      member("m2"),
      member("m3", { protected: true }),
      member("m4", { zone: "b" }),
    ];
    expect(pool.after(29, members)).toEqual([]);
    expect(kinds(pool.after(2, members))).toEqual(["drain m2"]);
  });

  it("shrinks at once where no time is given, and lets who is on its way come", () => {
    const pool = new Pool({ calmMs: 0 });
    const booting = member("m3", { role: "standby", entry: "down", monitor: "silent" });
    expect(pool.after(5, [...two, booting], { desired: 3 })).toEqual([]);
    expect(kinds(pool.after(1, [...two, member("m3")]))).toEqual(["drain m3"]);
  });

  it("does not shrink below what is well", () => {
    const pool = new Pool();
    const members = [member("m1"), member("m2"), member("m3", { monitor: "sick" })];
    expect(pool.after(100, members)).toEqual([]);
  });

  it("follows the load: quickly up, slowly down, not for a spike", () => {
    const pool = new Pool({ target: 100, max: 6 });
    const busy = [member("m1", { load: 200 }), member("m2", { load: 160, zone: "b" })];
    expect(pool.after(29, busy)).toEqual([]);
    expect(pool.after(1, two)).toEqual([]);
    expect(pool.after(30, busy)).toEqual([]);
    expect(pool.after(1, busy)).toContainEqual({ kind: "resize", from: 2, to: 4 });
    const idle = [...two, member("m3"), member("m4", { zone: "b" })].map((one) => ({ ...one, load: 40 }));
    expect(pool.after(300, idle, { desired: 4 })).toEqual([]);
    expect(pool.after(1, idle, { desired: 4 })).toContainEqual({ kind: "resize", from: 4, to: 2 });
  });

  it("does not shrink while nobody knows a host's load", () => {
    const pool = new Pool({ target: 100 });
    const members = [...two, member("m3", { load: null })];
    expect(pool.after(1000, members, { desired: 3 })).toEqual([]);
  });

  it("replaces old images one at a time, each after its replacement serves", () => {
    const pool = new Pool();
    const old = two.map((one) => ({ ...one, outdated: true }));
    expect(kinds(pool.after(1, old))).toEqual(["reserve"]);
    expect(kinds(pool.after(1, [...old, member("m3")]))).toEqual(["reserve", "drain m1"]);
  });

  it("spreads hosts over zones again when one comes back", () => {
    const pool = new Pool();
    const crowded = [member("m1"), member("m2")];
    expect(pool.after(1, crowded)).toEqual([{ kind: "reserve", zone: "b" }]);
    const ready = member("m3", { zone: "b", role: "standby" });
    expect(kinds(pool.after(1, [...crowded, ready]))).toEqual(["serve m3"]);
    expect(kinds(pool.after(32, [...crowded, member("m3", { zone: "b" })]))).toEqual(["drain m2"]);
  });
});

describe("boots that fail", () => {
  it("are given up, and their zone is left alone for a while", () => {
    const pool = new Pool({ bootMs: 10_000 });
    const short = two.slice(0, 1);
    expect(pool.after(1, short)).toEqual([{ kind: "reserve", zone: "b" }]);
    const booting = member("m3", { zone: "b", role: "standby", entry: "down", monitor: "silent" });
    expect(kinds(pool.after(11, [...short, booting]))).toEqual(["reserve", "drain m3"]);
    expect(pool.after(1, short)).toEqual([{ kind: "reserve", zone: "a" }]);
    expect(pool.after(3, short)).toContainEqual({ kind: "reserve", zone: "a" });
  });

  it("count when the machine could not be made", () => {
    const pool = new Pool();
    const failed = member("m3", { zone: "b", role: "standby", machine: "failed", entry: "down" });
    const actions = pool.after(1, [member("m1"), failed]);
    expect(actions).toContainEqual({ kind: "drain", id: "m3", why: "it did not become ready" });
    expect(actions).toContainEqual({ kind: "reserve", zone: "a" });
  });
});

describe("a draining host", () => {
  const draining = member("m3", { role: "draining", sessions: 5 });

  it("is removed when its connections have ended", () => {
    const pool = new Pool();
    expect(pool.after(10, [...two, draining])).toEqual([]);
    expect(kinds(pool.after(1, [...two, { ...draining, sessions: 0 }]))).toEqual(["remove m3"]);
  });

  it("is removed when their time is over, and says how many it cuts", () => {
    const pool = new Pool();
    expect(pool.after(60, [...two, draining])).toEqual([]);
    expect(pool.after(1, [...two, draining])).toEqual([{ kind: "remove", id: "m3", cut: 5 }]);
  });
});

describe("a machine without a record", () => {
  it("is removed after a while", () => {
    const pool = new Pool();
    expect(pool.after(60, two, { orphans: ["m9"] })).toEqual([]);
    expect(pool.after(1, two, { orphans: ["m9"] })).toEqual([{ kind: "remove", id: "m9", cut: 0 }]);
  });

  it("stays when there are no records at all: they are what is missing", () => {
    const pool = new Pool();
    const turns = Array.from({ length: 100 }, () => pool.turn([], { orphans: ["m1", "m2"] }));
    expect(turns.flatMap(({ actions }) => actions).filter(({ kind }) => kind === "remove")).toEqual([]);
    expect(turns[0]?.alarms.join()).toMatch(/no records/);
  });
});

it("does nothing by what it saw too long ago", () => {
  const settings = defaultSettings(size);
  const observed = { at: 0, members: [], orphans: [], desired: 2, room: { a: 9, b: 9 } };
  const late = step(settings, initialMemory(settings, 0), observed, settings.freshMs);
  expect(late.actions).toEqual([]);
  expect(late.alarms).not.toEqual([]);
  expect(step(settings, initialMemory(settings, 0), observed, 10).actions).not.toEqual([]);
});
