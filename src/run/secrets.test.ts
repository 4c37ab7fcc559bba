import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { loadSecrets } from "./secrets.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-secrets-"));
});
afterEach(() => rm(directory, { recursive: true }));

it("makes what is missing, keeps what is there, and hides the file", async () => {
  const first = await loadSecrets(directory, ["a", "b"]);
  expect(first.get("a")).toMatch(/^[\w-]{43}$/);
  expect(first.get("a")).not.toBe(first.get("b"));
  const second = await loadSecrets(directory, ["a", "c"]);
  expect(second.get("a")).toBe(first.get("a"));
  expect(second.get("b")).toBe(first.get("b"));
  expect((await stat(join(directory, "secrets.json"))).mode & 0o777).toBe(0o600);
});
