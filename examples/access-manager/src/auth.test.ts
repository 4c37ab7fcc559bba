import { expect, test } from "vitest";
import { isAuthorized } from "./auth.ts";

test.each([
  ["Bearer s3cret", true],
  ["bearer s3cret", true],
  ["Bearer s3cre", false],
  ["Bearer s3crets", false],
  ["Bearer ", false],
  ["Basic s3cret", false],
  ["s3cret", false],
  ["", false],
  [undefined, false],
])("%s -> %s", (header, expected) => {
  expect(isAuthorized(header, "s3cret")).toBe(expected);
});

test("an empty token never matches an empty header", () => {
  expect(isAuthorized(undefined, "")).toBe(false);
});
