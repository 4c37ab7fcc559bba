import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
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

/** Stands for the helper: leaves a file named after the target unless it is told that all is healed. */
const script = 'echo watching; read -r line; [ "$line" = healed ] || touch "$1"';
const argvFor = ([target = ""]: readonly string[]): string[] => [
  "sh",
  "-c",
  script,
  "sh",
  join(folder, target),
];

test("it does nothing once the fault is healed", async () => {
  const cancel = await createDeadMan(argvFor).watch(["healed"]);
  await cancel(); // waits for its end
  expect(existsSync(join(folder, "healed"))).toBe(false);
});

test("it acts when the drill is killed with -9", async () => {
  const source = `
    import { createDeadMan } from ${JSON.stringify(join(import.meta.dirname, "deadman.ts"))};
    await createDeadMan(() => ["sh", "-c", ${JSON.stringify(script)}, "sh", ${JSON.stringify(join(folder, "forgotten"))}]).watch(["m1"]);
    console.log("watched");
    setInterval(() => {}, 1000);`;
  const program = join(folder, "drill.ts");
  await writeFile(program, source);
  const drill = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    await once(drill.stdout, "data");
    expect(existsSync(join(folder, "forgotten"))).toBe(false);
  } finally {
    drill.kill("SIGKILL");
  }
  await poll(() => existsSync(join(folder, "forgotten")), { deadlineMs: 15_000, what: "the helper to act" });
});

test("no helper, no fault: it says so before anything is broken", async () => {
  const missing = createDeadMan(() => ["/nonexistent/holdfast"]);
  await expect(missing.watch(["lb1"])).rejects.toThrow("cannot start the helper");
  const failing = createDeadMan(() => ["false"]);
  await expect(failing.watch(["lb1"])).rejects.toThrow("cannot start the helper");
});
