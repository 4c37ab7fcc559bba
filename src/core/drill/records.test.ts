import { expect, test } from "vitest";
import { formatLine, parseHistory, type RequestRecord } from "./history.ts";
import { outcomeOf } from "./outcome.ts";
import { compareBody } from "./readback.ts";
import { classOf, clientOf, clientsIn, intendedAt, spacingMs } from "./schedule.ts";

const record: RequestRecord = {
  seq: 1,
  class: "write",
  client: 1,
  intended: 5,
  sent: 5.2,
  done: 9,
  outcome: "ok",
  status: 201,
  error: null,
  id: "run-1",
};

test("a history is read as it was written; half a last line is left out, damage elsewhere is an error", () => {
  const text = formatLine(record).repeat(2);
  expect(parseHistory(text)).toEqual([record, record]);
  expect(parseHistory(text + '{"seq":3,"cl')).toHaveLength(2);
  expect(() => parseHistory(`{"seq":3\n${text}`)).toThrow("line 1 of the history is damaged");
});

test.each([
  // write, sent, status, timedOut, outcome
  [true, true, 201, false, "ok"],
  [true, true, 409, false, "failed"],
  [true, true, 503, false, "failed"],
  [true, true, 500, false, "unknown"],
  [true, true, 502, false, "unknown"],
  [true, true, 504, false, "unknown"],
  [true, true, null, false, "unknown"], // reset after sending
  [true, true, null, true, "unknown"],
  [true, false, null, false, "failed"], // refused
  [true, false, null, true, "failed"], // never left
  [false, true, 200, false, "ok"],
  [false, true, 302, false, "failed"],
  [false, true, 502, false, "failed"],
  [false, true, null, false, "failed"],
  [false, true, null, true, "unknown"],
] as const)("write %s, sent %s, status %s, timed out %s: %s", (write, sent, status, timedOut, outcome) => {
  expect(outcomeOf({ write, sent, status, timedOut })).toBe(outcome);
});

test.each([
  ["v", { found: "same", copies: 1 }],
  ['"v"', { found: "same", copies: 1 }],
  ['{"id":"a","value":"v"}', { found: "same", copies: 1 }],
  ['{"id":"a","value":"w"}', { found: "other", copies: 1 }],
  ['[{"value":"v"},{"value":"v"}]', { found: "same", copies: 2 }],
  ['{"items":[{"value":"v"},{"value":"w"}]}', { found: "other", copies: 2 }],
  ["[]", { found: "absent", copies: 0 }],
  ["", { found: "other", copies: 1 }],
  ['{"error":"gone"}', { found: "other", copies: 1 }],
])("read back %s", (body, expected) => {
  expect(compareBody(body, "v")).toEqual(expected);
});

test("the schedule is constant, and every client has one class at even spacing", () => {
  const rate = { perSecond: 200, clients: 20 };
  expect(spacingMs(rate)).toBe(100);
  const own = Array.from({ length: 400 }, (_, seq) => seq).filter((seq) => clientOf(seq, rate) === 7);
  const times = own.map((seq) => intendedAt(seq, rate));
  expect(times.slice(1).map((time, index) => time - (times[index] ?? 0))).toEqual(Array(19).fill(100));
  const classes = Array.from({ length: 20 }, (_, client) => classOf(client, rate));
  expect(classes.filter((name) => name === "write")).toHaveLength(8);
  expect(classes.filter((name) => name === "read-fresh")).toHaveLength(4);
});

test("at a high rate fresh connections stay at 100 a second, evenly spaced, and others read in their place", () => {
  const rate = { perSecond: 5000, clients: 20 };
  const seqs = Array.from({ length: 5000 }, (_, seq) => seq);
  const fresh = seqs.filter((seq) => classOf(clientOf(seq, rate), rate) === "read-fresh");
  expect(fresh).toHaveLength(100);
  const own = seqs.filter((seq) => clientOf(seq, rate) === 2).map((seq) => intendedAt(seq, rate));
  const gaps = own.slice(1).map((time, index) => Math.round(time - (own[index] ?? 0)));
  expect(new Set(gaps)).toEqual(new Set([spacingMs(rate, "read-fresh")]));
  expect(spacingMs(rate)).toBe(4);
  expect(seqs.filter((seq) => classOf(clientOf(seq, rate), rate) === "write")).toHaveLength(2000);
  expect(Math.max(...seqs.map((seq) => clientOf(seq, rate)))).toBeLessThan(clientsIn(rate));
});
