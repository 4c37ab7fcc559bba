import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exec, execOk } from "../../src/lib/exec.ts";
import { poll } from "../../src/lib/retry.ts";
import { node } from "../support/lab.ts";

const script = fileURLToPath(new URL("../support/lab-image.ts", import.meta.url));
let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "hft-image-"));
});
afterEach(async () => {
  await exec(["umount", home]);
  await rm(home, { recursive: true, force: true });
});

const build = async (mirror: string) =>
  exec([node, script, home], { timeoutMs: 200_000, env: { ...process.env, HOLDFAST_DEBIAN_MIRROR: mirror } });

const images = async (): Promise<string[]> => readdir(join(home, "images"));

const running = async (): Promise<string[]> =>
  (await execOk(["ps", "-ww", "-eo", "args"], "ps"))
    .split("\n")
    .filter((line) => line.includes(`${home}/images`));

test("an unreachable mirror is said to be that, and nothing half-built is left", async () => {
  const { code, stdout } = await build("http://127.0.0.1:1/debian");
  expect(code).toBe(1);
  expect(stdout).toMatch(/building the base image failed: a package server could not be reached/);
  expect(stdout).toMatch(/HOLDFAST_DEBIAN_MIRROR/);
  expect(await images()).toEqual([]);
});

test("too small a disk is refused before anything is downloaded", async () => {
  await execOk(["mount", "-t", "tmpfs", "-o", "size=64m", "none", home], "mount");
  const { code, stdout } = await build("http://127.0.0.1:1/debian");
  expect(code).toBe(1);
  expect(stdout).toMatch(/0\.1 GiB free; building the base image needs 2\.5 GiB/);
  expect(await images()).toEqual([]);
});

test("a killed build ends all its processes; the next one clears up after it, and two do not build at once", async () => {
  // A mirror that accepts and never answers: the build stands still in its middle.
  const sockets: { destroy(): void }[] = [];
  const mirror = createServer((socket) => void sockets.push(socket)).listen(0, "127.0.0.1");
  await once(mirror, "listening");
  try {
    const url = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}/debian`;
    const child = spawn(node, [script, home], {
      env: { ...process.env, HOLDFAST_DEBIAN_MIRROR: url },
      stdio: "ignore",
    });
    const ended = once(child, "exit");
    await poll(() => sockets.length > 0, { deadlineMs: 60_000, what: "the build to ask the mirror" });
    const second = build("http://127.0.0.1:1/debian");
    expect(await images()).toHaveLength(1);
    expect((await running()).length).toBeGreaterThan(0);
    child.kill("SIGKILL");
    await ended;
    const { stdout } = await second;
    expect(stdout).toMatch(/could not be reached/);
    expect(await images()).toEqual([]);
    await poll(async () => (await running()).length === 0, {
      deadlineMs: 30_000,
      what: "the build's processes to end",
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    mirror.close();
  }
});
