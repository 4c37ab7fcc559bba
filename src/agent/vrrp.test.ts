import { type ChildProcess, spawn } from "node:child_process";
import { appendFile, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { poll } from "../lib/retry.ts";
import { keepalivedPid } from "./keepalived.ts";
import { VrrpRole } from "./vrrp.ts";

let directory: string;
let child: ChildProcess;
let vrrp: VrrpRole;
let attached: number;
let stop: AbortController;
let following: Promise<void>;

const until = async (what: string, probe: () => Promise<boolean> | boolean) =>
  poll(probe, { deadlineMs: 15_000, intervalMs: 10, what });
const say = async (fifo: string, line: string) => appendFile(join(directory, fifo), `${line}\n`);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-vrrp-"));
  // It has the name and no handler for SIGUSR1, as a keepalived that has only just started.
  await symlink("/bin/sleep", join(directory, "keepalived"));
  child = spawn(join(directory, "keepalived"), ["600"], { stdio: "ignore" });
  await until("the process", async () => (await keepalivedPid()) !== null);
  attached = 0;
  stop = new AbortController();
  vrrp = new VrrpRole({
    instance: "VI_1",
    fifo: join(directory, "fifo"),
    notifyFifo: join(directory, "scripts"),
    reporter: {
      info: () => undefined,
      warn: () => undefined,
      event: () => undefined,
      task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
    },
    onRole: () => (attached += 1),
  });
  following = vrrp.follow(stop.signal);
  // Once for each FIFO at least.
  await until("it to be attached", () => attached >= 1 && vrrp.keepalivedLives);
}, 60_000);
afterEach(async () => {
  child.kill("SIGKILL");
  stop.abort();
  await following;
  await rm(directory, { recursive: true });
});

it("takes keepalived's own lines at their word, in order, of its instance only", async () => {
  await say("fifo", 'INSTANCE "VI_1" BACKUP 100');
  await until("backup", () => vrrp.role === "backup");
  await say("fifo", 'INSTANCE "VI_1" MASTER 100\nINSTANCE "VI_2" FAULT 100\nGROUP "VI_1" FAULT 0');
  await until("master", () => vrrp.role === "master");
  await say("fifo", 'INSTANCE "VI_1" FAULT 100');
  await until("fault", () => vrrp.role === "fault");
  expect(vrrp.keepalivedLives).toBe(true);
});

it("asks for the role where notify scripts speak, and believes them where nobody answers", async () => {
  await say("scripts", 'INSTANCE "VI_1" MASTER');
  await until("master", () => vrrp.role === "master");
  // It was not killed by being asked.
  expect(child.exitCode).toBeNull();
  expect(child.signalCode).toBeNull();
});

it("without keepalived nobody is master, whatever was said last", async () => {
  await say("fifo", 'INSTANCE "VI_1" MASTER 100');
  await until("master", () => vrrp.role === "master");
  child.kill("SIGKILL");
  await until("its end", async () => {
    await vrrp.look();
    return vrrp.role === "unknown";
  });
  expect(vrrp.keepalivedLives).toBe(false);
});
