import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readFifo } from "../../../agent/fifo.ts";
import { exec } from "../../../lib/exec.ts";
import { poll } from "../../../lib/retry.ts";
import type { RunResult } from "../../../ports.ts";
import { readGuideSettings, type GuideSettings } from "./guide-settings.ts";
import { checkProgram, notifyProgram, type ProgramPaths } from "./programs.ts";

const settings: GuideSettings = {
  AWS_ACCESS_KEY_ID: "AKIA1",
  AWS_SECRET_ACCESS_KEY: 'a/b+c= #$`"x',
  AWS_DEFAULT_REGION: "eu-west-1",
  HA_NODE_1: "ip-10-0-0-1.ec2.internal",
  HA_NODE_2: "ip-10-0-0-2.ec2.internal",
  ALLOCATION_ID: "eipalloc-0123",
};

let directory: string;
let paths: ProgramPaths;
let bin: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-programs-"));
  bin = join(directory, "bin");
  await mkdir(bin);
  paths = {
    node: join(bin, "node"),
    bundle: join(directory, "holdfast.cjs"),
    notifyFifo: join(directory, "run", "fifo"),
    fitFile: join(directory, "fit"),
  };
  // What the programs call, written down instead of done; `nginx` says whether nginx runs.
  await program("node", `echo "node $*" >>${directory}/log`);
  await program(
    "logger",
    `shift; [ $# -gt 1 ] && shift; echo "logger $*" >>${directory}/log; [ -t 0 ] || cat >/dev/null`,
  );
  for (const name of ["systemctl", "service"]) {
    await program(name, `echo "${name} $*" >>${directory}/log\n[ -e ${directory}/nginx ]`);
  }
});
afterEach(async () => rm(directory, { recursive: true }));

async function program(name: string, body: string): Promise<void> {
  const path = join(bin, name);
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
}

/** With the stand-ins first on the program's own PATH. */
async function call(text: string, args: readonly string[], shell = "sh"): Promise<RunResult> {
  const path = join(directory, "program");
  await writeFile(path, text.replace(/^PATH=/m, `PATH=${bin}:`));
  return exec([shell, path, ...args], { timeoutMs: 15_000 });
}
const log = async (): Promise<string> => readFile(join(directory, "log"), "utf8").catch(() => "");

it.each(["sh", "bash"])("nginx-ha-check judges as the guide's does (%s)", async (shell) => {
  expect((await call(checkProgram(paths), [], shell)).code).toBe(1);
  await writeFile(join(directory, "nginx"), "");
  expect(await call(checkProgram(paths), [], shell)).toEqual({ code: 0, stdout: "", stderr: "" });
});

it("nginx-ha-check gives the mastership away while the agent cannot move the address", async () => {
  await writeFile(join(directory, "nginx"), "");
  await writeFile(paths.fitFile, "1\n");
  expect((await call(checkProgram(paths), [])).code).toBe(1);
  expect((await call(checkProgram(paths), ["--dry-run"])).stdout).toContain("cannot move the address");
  await writeFile(paths.fitFile, "0\n");
  expect((await call(checkProgram(paths), [])).code).toBe(0);
});

it("nginx-ha-check asks the URL that the operator named", async () => {
  await writeFile(join(directory, "nginx"), "");
  const withUrl = checkProgram(paths).replace(/^CHECK_URL=$/m, "CHECK_URL=http://127.0.0.1:1/");
  await program("curl", "exit 22");
  expect((await call(withUrl, [])).code).toBe(1);
  await program("curl", "exit 0");
  expect((await call(withUrl, ["--dry-run"])).code).toBe(0);
});

it("nginx-ha-notify hands the transition to a running agent and starts nothing", async () => {
  const lines: string[] = [];
  const stop = new AbortController();
  let attached = false;
  const reading = readFifo(paths.notifyFifo, {
    onLine: (line) => lines.push(line),
    onAttach: () => {
      attached = true;
    },
    signal: stop.signal,
    reporter: {
      info: () => undefined,
      warn: () => undefined,
      event: () => undefined,
      task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
    },
  });
  try {
    await poll(() => attached, { deadlineMs: 15_000, what: "the agent" });
    const text = notifyProgram(settings, paths);
    for (const state of ["BACKUP", "MASTER", "STOP"]) {
      expect((await call(text, ["INSTANCE", "VI_1", state, "101"])).code).toBe(0);
    }
    await poll(() => lines.length === 3, { deadlineMs: 15_000, what: "the lines" });
    expect(lines).toEqual(['INSTANCE "VI_1" BACKUP', 'INSTANCE "VI_1" MASTER', 'INSTANCE "VI_1" STOP']);
    await poll(async () => /start.*nginx|nginx start/.test(await log()), {
      deadlineMs: 15_000,
      what: "nginx's start",
    });
    expect(await log()).not.toContain("node ");
  } finally {
    stop.abort();
    await reading;
  }
});

it("nginx-ha-notify starts a controller where no agent runs, and returns at once", async () => {
  const text = notifyProgram(settings, paths);
  expect((await call(text, ["INSTANCE", "VI_1", "BACKUP"])).code).toBe(0);
  await poll(async () => (await log()).includes("address run --settings"), {
    deadlineMs: 15_000,
    what: "a controller",
  });
  expect(await log()).toContain(
    `node ${paths.bundle} address run --settings ${join(directory, "program")} --until-settled`,
  );
  await writeFile(join(directory, "log"), "");
  expect((await call(text, ["INSTANCE", "VI_1", "STOP"])).code).toBe(0);
  expect((await call(text, ["INSTANCE", "VI_1", "STRANGE"])).code).toBe(1);
  expect((await call(text, ["MASTER"])).code).toBe(2);
  expect(await log()).not.toContain("address run");
});

it("nginx-ha-notify --dry-run checks each step", async () => {
  await call(notifyProgram(settings, paths), ["--dry-run", "INSTANCE", "VI_1", "MASTER"]);
  expect(await log()).toBe(`node ${paths.bundle} address check --settings ${join(directory, "program")}\n`);
});

it("keeps the operator's settings, and a shell reads them as the agent does", async () => {
  const text = notifyProgram(settings, paths);
  expect(readGuideSettings(text)).toEqual(settings);
  const block = text.slice(text.indexOf("#####"), text.lastIndexOf("#####"));
  await writeFile(
    join(directory, "block"),
    `${block}\nprintf '%s' "$AWS_SECRET_ACCESS_KEY $ALLOCATION_ID"\n`,
  );
  const { stdout } = await exec(["sh", join(directory, "block")]);
  expect(stdout).toBe(`${settings.AWS_SECRET_ACCESS_KEY} ${settings.ALLOCATION_ID}`);
  expect(readGuideSettings(notifyProgram(readGuideSettings(text), paths))).toEqual(settings);
});
