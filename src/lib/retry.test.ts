import { expect, test } from "vitest";
import { poll } from "./retry.ts";

const refused = async () => Promise.reject(new Error("connection refused"));

test("asks until there is an answer; undefined, false and errors are none", async () => {
  let count = 0;
  const answer = await poll(
    () => {
      count += 1;
      if (count === 1) return undefined;
      if (count === 2) return false;
      if (count === 3) throw new Error("not yet");
      return 0;
    },
    { deadlineMs: 30_000, intervalMs: 1, what: "an answer" },
  );
  expect({ answer, count }).toEqual({ answer: 0, count: 4 });
});

test("gives up at the deadline with what was waited for and why", async () => {
  await expect(
    poll(refused, { deadlineMs: 20, intervalMs: 5, what: "the primary", fix: "look there" }),
  ).rejects.toMatchObject({
    message: "waited 0.02 s for the primary: connection refused",
    fix: "look there",
  });
});

test("probes once even when the deadline is now", async () => {
  expect(await poll(() => "yes", { deadlineMs: 0, what: "x" })).toBe("yes");
  let count = 0;
  const never = () => {
    count += 1;
    return undefined;
  };
  await expect(poll(never, { deadlineMs: 0, what: "x" })).rejects.toThrow("waited 0 s for x");
  expect(count).toBe(1);
});
