import { expect, it } from "vitest";
import { stampOf } from "./backup.ts";
import { targetOf } from "./restore.ts";

it("reads the time and the timeline to restore to", () => {
  expect(targetOf({})).toEqual({ at: undefined, timeline: undefined });
  expect(targetOf({ at: "2026-11-20T15:04:05Z" }).at).toBe(1_795_187_045);
  expect(targetOf({ at: "2026-11-20T15:04:05.250+01:00", timeline: "3" })).toEqual({
    at: 1_795_183_445.25,
    timeline: 3,
  });
  expect(() => targetOf({ at: "yesterday evening" })).toThrow("yesterday evening is no time");
  for (const timeline of ["0", "1; rm", "latest"])
    expect(() => targetOf({ timeline })).toThrow("is no timeline");
});

it("names what is set aside so that it sorts by time", () => {
  expect(stampOf(new Date("2026-11-20T15:04:05.123Z"))).toBe("20261120T150405Z");
});
