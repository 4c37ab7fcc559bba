import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { takeLock } from "./lock.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-lock-"));
});
afterEach(() => rm(directory, { recursive: true }));

it("keeps a second holder out, names the first, and lets go", async () => {
  const lock = await takeLock(directory, "up");
  await expect(takeLock(directory, "down")).rejects.toThrow(
    new RegExp(`holdfast up\`, process ${process.pid}`),
  );
  await lock.release();
  await (await takeLock(directory, "down")).release();
});

it("is free again when its holder was killed", async () => {
  const script = join(directory, "holder.ts");
  await writeFile(
    script,
    `import { takeLock } from ${JSON.stringify(join(import.meta.dirname, "lock.ts"))};
await takeLock(${JSON.stringify(directory)}, "up");
process.send?.("held");
setInterval(() => {}, 1000);\n`,
  );
  const child = fork(script);
  await once(child, "message");
  await expect(takeLock(directory, "up")).rejects.toThrow(/another Holdfast command/);
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await takeLock(directory, "up")).release();
});
