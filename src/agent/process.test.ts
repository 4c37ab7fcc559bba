import { spawn } from "node:child_process";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { poll } from "../lib/retry.ts";
import { livingProcess } from "./process.ts";

it("sees a process by its name, and its death", async () => {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-process-"));
  // A process is named after the file it was started by.
  const name = `hf-${process.pid}`;
  await symlink("/bin/sleep", join(directory, name));
  const child = spawn(join(directory, name), ["60"], { stdio: "ignore" });
  const alive = livingProcess(name);
  try {
    await poll(alive, { deadlineMs: 10_000, intervalMs: 20, what: "the process to be seen" });
    expect(await alive()).toBe(true);
    child.kill("SIGKILL");
    await poll(async () => !(await alive()), { deadlineMs: 10_000, intervalMs: 20, what: "its death" });
    expect(await alive()).toBe(false);
  } finally {
    child.kill("SIGKILL");
    await rm(directory, { recursive: true });
  }
});
