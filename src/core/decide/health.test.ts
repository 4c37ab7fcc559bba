import { array, assert, boolean, constantFrom, property, record } from "fast-check";
import { describe, expect, it } from "vitest";
import { stepHealth, type HealthObservation, type HealthState } from "./health.ts";

const settings = { fall: 3, rise: 2, startMs: 300, deadAfterMs: 900 };
const calm: HealthObservation = {
  proxy: "serving",
  healthFile: "healthy",
  keepalived: "alive",
  addressHeld: true,
};

/** A host as the agent sees it: the file and the address change only by the actions. */
function run(
  events: readonly (Partial<HealthObservation> & { restart?: boolean })[],
  start: HealthObservation = calm,
) {
  let state: HealthState | null = null;
  let { healthFile, addressHeld } = start;
  const turns = events.map(({ restart, ...event }, index) => {
    if (restart === true) state = null;
    if (event.healthFile !== undefined) healthFile = event.healthFile;
    if (event.addressHeld !== undefined) addressHeld = event.addressHeld;
    const step = stepHealth(settings, state, { ...start, ...event, healthFile, addressHeld }, index * 100);
    state = step.state;
    for (const action of step.actions) {
      if (action.kind === "write-health-file") healthFile = action.verdict;
      else addressHeld = false;
    }
    return { verdict: step.state.verdict, healthFile, addressHeld, actions: step.actions };
  });
  return turns;
}
const verdicts = (events: Parameters<typeof run>[0], start?: HealthObservation) =>
  run(events, start).map((turn) => turn.verdict);

describe("the verdict", () => {
  it("falls at once when the proxy is gone, and rises after two answers", () => {
    const gone = { proxy: "gone" } as const;
    expect(verdicts([{}, gone, gone, {}, gone, {}, {}])).toEqual([
      "healthy",
      "fault",
      "fault",
      "fault",
      "fault",
      "fault",
      "healthy",
    ]);
  });
  it("gives a proxy that is started again its time, then falls", () => {
    const starting = { proxy: "starting" } as const;
    expect(verdicts([starting, starting, starting, {}, starting, starting])).toEqual(
      Array.from({ length: 6 }, () => "healthy"),
    );
    expect(verdicts([starting, starting, starting, starting]).at(-1)).toBe("fault");
    expect(verdicts([starting, { proxy: "gone" }]).at(-1)).toBe("fault");
  });
  it("falls after three silent probes in a row only", () => {
    const failed = { proxy: "failed" } as const;
    expect(verdicts([failed, failed, {}, failed, failed, failed])).toEqual([
      "healthy",
      "healthy",
      "healthy",
      "healthy",
      "healthy",
      "fault",
    ]);
  });
  it("learns nothing from a probe that the agent itself delayed", () => {
    const events = Array.from({ length: 20 }, () => ({ proxy: "unknown" }) as const);
    expect(new Set(verdicts(events))).toEqual(new Set(["healthy"]));
    expect(new Set(verdicts(events, { ...calm, healthFile: "fault" }))).toEqual(new Set(["fault"]));
  });
  it("is taken from the file by an agent that starts anew", () => {
    expect(verdicts([{ healthFile: "fault" }, { restart: true }, {}])).toEqual(["fault", "fault", "healthy"]);
  });
});

describe("the health file", () => {
  it("is written anew when it is missing or says something else", () => {
    const turns = run([{}, { healthFile: "other" }, { healthFile: "fault" }, {}]);
    expect(turns.map((turn) => turn.actions.length)).toEqual([0, 1, 1, 0]);
    expect(turns.every((turn) => turn.healthFile === "healthy")).toBe(true);
  });
});

describe("the address of a dead keepalived", () => {
  const dead = { keepalived: "dead" } as const;
  it("is left alone while systemd may still restart it, then removed, also when it comes back", () => {
    const turns = run([
      ...Array.from({ length: 9 }, () => dead),
      dead,
      { ...dead, addressHeld: true },
      { addressHeld: true },
    ]);
    const removed = turns.map((turn) => turn.actions.some((action) => action.kind === "remove-address"));
    expect(removed).toEqual([...Array.from({ length: 9 }, () => false), true, true, false]);
  });
  it("counts anew after it was alive in between", () => {
    const turns = run([
      ...Array.from({ length: 8 }, () => dead),
      {},
      ...Array.from({ length: 8 }, () => dead),
    ]);
    expect(turns.every((turn) => turn.addressHeld)).toBe(true);
  });
});

describe("under any history", () => {
  const observation = record(
    {
      proxy: constantFrom("serving", "gone", "starting", "failed", "unknown"),
      healthFile: constantFrom("healthy", "fault", "other"),
      keepalived: constantFrom("alive", "dead"),
      addressHeld: boolean(),
      restart: boolean(),
    },
    { requiredKeys: [] },
  );
  const history = array(observation, { maxLength: 60 });

  it("the file says the verdict after every turn, and an address is removed from a dead keepalived only", () => {
    assert(
      property(history, (events) => {
        run(events).forEach((turn, index) => {
          expect(turn.healthFile).toBe(turn.verdict);
          const removed = turn.actions.some((action) => action.kind === "remove-address");
          expect(removed && events[index]?.keepalived !== "dead").toBe(false);
        });
      }),
    );
  });
  it("settles: after the faults end, the host is healthy within `rise` turns and nothing is done any more", () => {
    assert(
      property(history, (events) => {
        const turns = run([...events, ...Array.from({ length: settings.rise + 2 }, () => ({}))]);
        const settled = turns.slice(-2);
        expect(settled.map((turn) => turn.verdict)).toEqual(["healthy", "healthy"]);
        expect(settled.flatMap((turn) => turn.actions)).toEqual([]);
      }),
    );
  });
  it("a fault has a cause: a proxy that stays gone, or `fall` failed probes since the last answer", () => {
    assert(
      property(history, (raw) => {
        const events = raw.map((event) => ({ proxy: event.proxy ?? "serving" }));
        let failedInRow = 0;
        let startingSince: number | null = null;
        let before = "healthy";
        for (const [index, turn] of run(events).entries()) {
          const proxy = events[index]?.proxy;
          if (proxy === "serving") failedInRow = 0;
          if (proxy === "failed") failedInRow += 1;
          if (proxy === "starting") startingSince ??= index * 100;
          else if (proxy !== "unknown") startingSince = null;
          const stayedAway =
            proxy === "gone" || (startingSince !== null && index * 100 - startingSince >= settings.startMs);
          const fell = before === "healthy" && turn.verdict === "fault";
          expect(!fell || stayedAway || failedInRow >= settings.fall).toBe(true);
          before = turn.verdict;
        }
      }),
      { numRuns: 50 },
    );
  });
});
