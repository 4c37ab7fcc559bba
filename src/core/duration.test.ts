import { expect, test } from "vitest";
import { duration } from "./duration.ts";

test.each([
  [0, "0 ms"],
  [7.64, "7.6 ms"],
  [9.97, "10 ms"],
  [640.4, "640 ms"],
  [999.6, "1 s"],
  [2344, "2.34 s"],
  [9996, "10 s"],
  [23_140, "23.1 s"],
  [119_960, "2 min"],
  [210_000, "3.5 min"],
])("%d ms is %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});
