import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { poll } from "../lib/retry.ts";
import { createDeadMan } from "./deadman.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-deadman-"));
});
afterEach(() => rm(folder, { recursive: true }));

/** Stands for the helper: leaves a file named after the machine once its time is over. */
const argvFor = (machine: string, seconds: number): string[] =>
  ["sh", "-c", 'sleep "$1" && touch "$2"', "sh"].concat(String(seconds), join(folder, machine));

test("it acts when nobody cancels it, and does not when somebody does", async () => {
  const deadMan = createDeadMan(argvFor, 1);
  await deadMan.powerOnLater("forgotten");
  const cancel = await deadMan.powerOnLater("healed");
  cancel();
  // Started after the cancelled one, so once it has acted the other would have.
  await deadMan.powerOnLater("later");
  await poll(() => ["forgotten", "later"].every((name) => existsSync(join(folder, name))), {
    deadlineMs: 15_000,
    what: "the helpers to act",
  });
  expect(existsSync(join(folder, "healed"))).toBe(false);
});

test("no helper, no power-off: it says so before anything is broken", async () => {
  const deadMan = createDeadMan(() => ["/nonexistent/holdfast"]);
  await expect(deadMan.powerOnLater("lb1")).rejects.toThrow("cannot start the helper");
});
