import { describe, expect, test } from "vitest";
import type { ReadBack } from "./history.ts";
import {
  type ChangeRecord,
  type ConnectionRecord,
  formatObservation,
  type Observation,
  parseObservations,
  type ProbesRecord,
  type ShownRecord,
} from "./observations.ts";
import { judgeObserved, probeOutage, staleness } from "./observed.ts";

const window = { from: 1000, to: 5000 };
const run = (ok: boolean, from: number, to: number): ProbesRecord => ({
  kind: "probes",
  protocol: "tcp",
  ok,
  from,
  to,
  count: (to - from) / 10 + 1,
  slowestMs: ok ? 1 : null,
});
const connection = (change: Partial<ConnectionRecord>): ConnectionRecord => ({
  kind: "connection",
  name: "stream 1",
  purpose: "stream",
  everyMs: 100,
  opened: 0,
  ended: 9000,
  end: "closed",
  error: null,
  lastData: 8900,
  silences: [],
  ...change,
});
const fates = (...connections: ConnectionRecord[]) =>
  judgeObserved(connections, [], window, window).connections;

describe("probes", () => {
  test("an outage is known to lie between the unanswered probes and the answered ones around them", () => {
    const probes = [run(true, 0, 1500), run(false, 1510, 1740), run(true, 1750, 4000)];
    expect(probeOutage(probes, "tcp", window)).toEqual({ low: 230, high: 250 });
    expect(probeOutage(probes, "tcp", { from: 2000, to: 3000 })).toEqual({ low: 0, high: 0 });
  });

  test("long runs are written in parts, which are one outage", () => {
    const probes = [
      run(true, 0, 1500),
      run(false, 1510, 2500),
      run(false, 2510, 2600),
      run(true, 2610, 4000),
    ];
    expect(probeOutage(probes, "tcp", window)).toEqual({ low: 1090, high: 1110 });
  });

  test("what does not come back is cut at the last probe; nobody who ever answered is no outage", () => {
    expect(probeOutage([run(true, 0, 1500), run(false, 1510, 4500)], "tcp", window)).toEqual({
      low: 2990,
      high: 3000,
    });
    expect(probeOutage([run(false, 0, 4500)], "tcp", window)).toBeNull();
    expect(probeOutage([run(true, 0, 4500)], "udp", window)).toBeNull();
  });
});

describe("long-lived connections", () => {
  test("survived, cut at once, hung and went on, hung and was cut", () => {
    const again = connection({ opened: 1350 });
    expect(fates(connection({}))).toMatchObject([{ fate: "survived", cutAfterMs: null, silentMs: 0 }]);
    expect(fates(connection({ ended: 1050, end: "cut", error: "ECONNRESET" }), again)).toMatchObject([
      { fate: "cut", cutAfterMs: 50, againAfterMs: 300, error: "ECONNRESET" },
    ]);
    expect(fates(connection({ silences: [{ from: 1100, to: 3200 }] }))).toMatchObject([
      { fate: "hung", silentMs: 2000, cutAfterMs: null },
    ]);
    const silences = [{ from: 1000, to: 4600 }];
    expect(fates(connection({ ended: 4600, end: "cut", silences }))).toMatchObject([
      { fate: "hung", silentMs: 3500, cutAfterMs: 3600, againAfterMs: null },
    ]);
  });

  test("only those count that were open when the fault began, and only what happened in its window", () => {
    expect(fates(connection({ opened: 1200 }), connection({ ended: 900, end: "cut" }))).toEqual([]);
    expect(fates(connection({ silences: [{ from: 100, to: 900 }] }))).toMatchObject([{ fate: "survived" }]);
    expect(fates(connection({ ended: 7000, end: "cut" }))).toMatchObject([{ fate: "survived" }]);
    expect(fates(connection({ silences: [{ from: 500, to: 4000 }] }))).toEqual([]); // it hung before
  });
});

describe("staleness", () => {
  const change = (n: number, done: number, outcome: ChangeRecord["outcome"] = "ok"): ChangeRecord => ({
    kind: "change",
    n,
    sent: done - 10,
    done,
    outcome,
  });
  const shown = (n: number, from: number, to: number, host = "app1"): ShownRecord => ({
    kind: "shown",
    host,
    n,
    from,
    to,
    seen: from + 2,
  });
  const changes = [change(1, 500), change(2, 1500), change(3, 3500)];

  test("from the acknowledgement until every host shows it, within how often it was asked", () => {
    const quick = [shown(0, 0, 475), shown(1, 490, 1475), shown(2, 1500, 3490), shown(3, 3515, 6000)];
    expect(staleness(changes, quick, window)).toEqual({ low: 0, high: 17 });
    const slow = [shown(1, 490, 2900, "app2"), shown(2, 2925, 3490, "app2"), shown(3, 3515, 6000, "app2")];
    expect(staleness(changes, [...quick, ...slow], window)).toEqual({ low: 1400, high: 1427 });
  });

  test("a change that was not acknowledged promises nothing; one that is skipped counts by the next", () => {
    const runs = [shown(1, 490, 3600), shown(3, 3625, 6000)];
    expect(staleness([change(1, 500), change(2, 1500, "unknown"), change(3, 3500)], runs, window)).toEqual({
      low: 100,
      high: 127,
    });
    expect(staleness(changes, runs, window)).toEqual({ low: 2100, high: 2127 });
  });

  test("a host that does not answer shows nothing old", () => {
    const runs = [shown(1, 490, 1600), shown(2, 4000, 6000)];
    expect(staleness([change(1, 500), change(2, 1500)], runs, window)).toEqual({ low: 100, high: 100 });
  });

  test("a host that never shows it is stale until the end", () => {
    expect(staleness(changes, [shown(1, 490, 4900)], window)).toEqual({ low: 3400, high: 3400 });
    expect(staleness([], [], window)).toBeNull();
  });
});

test("the trail: lost, phantom, duplicate and unreadable appends of the fault's own time", () => {
  const append = (id: string, outcome: "ok" | "failed", intended = 2000): Observation => ({
    kind: "append",
    id,
    intended,
    sent: intended,
    done: intended + 5,
    outcome,
    status: outcome === "ok" ? 201 : 503,
    error: null,
  });
  const read = (id: string, outcome: "ok" | "failed", rest: Partial<ReadBack>): ReadBack => ({
    id,
    outcome,
    intended: 2000,
    found: "same",
    copies: 1,
    of: "trail",
    ...rest,
  });
  const appends = ["a", "b", "c", "d"]
    .map((id) => append(id, "ok"))
    .concat(append("e", "failed"), append("z", "ok", 9000));
  const { of: _, ...entry } = read("an entry of the database", "ok", { found: "absent" });
  const readBack: ReadBack[] = [
    read("a", "ok", {}),
    read("b", "ok", { found: "absent", copies: 0 }),
    read("c", "ok", { copies: 2 }),
    read("d", "ok", { found: "unreadable", copies: 0 }),
    read("e", "failed", {}),
    entry,
  ];
  expect(judgeObserved(appends, readBack, window, window).trail).toEqual({
    acknowledged: 4,
    failed: 1,
    unknown: 0,
    lost: ["b"],
    phantom: ["e"],
    duplicate: ["c"],
    unverified: 1,
  });
});

test("observations are read as they were written", () => {
  const records: Observation[] = [
    run(true, 0, 10),
    connection({ silences: [{ from: 1, to: 2 }] }),
    { kind: "pause", at: 1, ms: 20 },
  ];
  const text = records.map(formatObservation).join("");
  expect(parseObservations(`${text}{"kind":"pa`)).toEqual(records);
  expect(() => parseObservations(`{"kind":"other"}\n${text}`)).toThrow("line 1 of the observations");
});
