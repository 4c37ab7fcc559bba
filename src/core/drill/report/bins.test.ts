import { describe, expect, it } from "vitest";
import type { RequestRecord } from "../history.ts";
import { isIn } from "../outages.ts";
import { bin, LATENCY_ROWS, latencyRow, percentilesIn, split } from "./bins.ts";

const request = (
  seq: number,
  intended: number,
  latency: number,
  outcome: RequestRecord["outcome"] = "ok",
): RequestRecord => ({
  seq,
  class: "read",
  client: 0,
  intended,
  sent: intended,
  done: intended + latency,
  outcome,
  status: 200,
  error: null,
  id: null,
});

describe("bins", () => {
  it("puts latencies into rows of half an octave, the slowest into the last", () => {
    expect([0, 0.4, 1, 1.5, 2, 3, 4].map(latencyRow)).toEqual([0, 0, 0, 1, 2, 3, 4]);
    expect(latencyRow(1e9)).toBe(LATENCY_ROWS - 1);
  });

  it("counts every request once, by the time it was due", () => {
    const records = [
      request(0, 0, 5),
      request(1, 99, 251),
      request(2, 100, 1, "failed"),
      request(3, 199, 1, "unknown"),
      request(4, 200, 1),
    ];
    const { bins, width } = bin(records, { from: 0, to: 200 }, 2);
    expect(width).toBe(100);
    expect(bins.map(({ inTime, slow, bad }) => [inTime, slow, bad])).toEqual([
      [1, 1, 0],
      [0, 0, 2],
    ]);
  });

  it("gives percentiles of served requests by nearest rank, and counts the others", () => {
    const records = [
      ...Array.from({ length: 100 }, (_, index) => request(index, index, index + 1)),
      request(100, 50, 9999, "unknown"),
    ];
    expect(percentilesIn(records, { from: 0, to: 100 })).toEqual({
      requests: 101,
      notOk: 1,
      p50: 50,
      p90: 90,
      p99: 99,
      max: 100,
    });
    expect(percentilesIn(records, { from: 500, to: 600 })).toBeNull();
  });

  it("splits a history as looking at each window alone would", () => {
    const windows = [
      { from: 0, to: 100 },
      { from: 100, to: 250 },
      { from: 300, to: 400 },
    ];
    const records = [
      request(0, 10, 5),
      request(1, 90, 20), // two windows
      request(2, 20, 330), // all three
      request(3, 260, 10), // none
      request(4, 310, 5),
      request(5, 390, 500),
      request(6, 500, 1),
    ];
    const expected = windows.map((window) => records.filter((record) => isIn(record, window)));
    expect(split(records, windows)).toEqual(expected);
    expect(expected.map((part) => part.length)).toEqual([3, 2, 3]);
  });
});
