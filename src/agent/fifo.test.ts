import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { exec } from "../lib/exec.ts";
import { poll } from "../lib/retry.ts";
import { readFifo } from "./fifo.ts";

let directory: string;
let path: string;
let lines: string[];
let attached: number;
let stop: AbortController;
let reading: Promise<void>;
const warnings: string[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-fifo-"));
  path = join(directory, "run", "fifo");
  lines = [];
  attached = 0;
  stop = new AbortController();
  reading = readFifo(path, {
    onLine: (line) => lines.push(line),
    onAttach: () => (attached += 1),
    signal: stop.signal,
    reporter: {
      info: () => undefined,
      warn: (message) => warnings.push(message),
      event: () => undefined,
      task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
    },
  });
});
afterEach(async () => {
  stop.abort();
  await reading;
  await rm(directory, { recursive: true });
});

/** As nginx-ha-notify does it: fails at once where nobody reads. */
const write = async (text: string): Promise<number> =>
  (await exec(["dd", `of=${path}`, "oflag=nonblock", "conv=nocreat,notrunc", "status=none"], { stdin: text }))
    .code;
const until = async (what: string, probe: () => boolean) =>
  poll(probe, { deadlineMs: 15_000, intervalMs: 10, what });

it("makes the FIFO, and reads line by line from one writer after another", async () => {
  await until("it to be attached", () => attached === 1);
  expect(await write("first\nsec")).toBe(0);
  expect(await write("ond\n")).toBe(0);
  await until("the lines", () => lines.length === 2);
  expect(lines).toEqual(["first", "second"]);
});

it("a FIFO that was replaced is opened anew, and that is told", async () => {
  await until("it to be attached", () => attached === 1);
  await rm(path);
  await until("it to be attached again", () => attached === 2);
  expect(await write("again\n")).toBe(0);
  await until("the line", () => lines.includes("again"));
});

it("without a reader a writer is told at once", async () => {
  await until("it to be attached", () => attached === 1);
  stop.abort();
  await reading;
  await poll(async () => (await write("lost\n")) !== 0, {
    deadlineMs: 15_000,
    what: "the writer to be refused",
  });
  expect(lines).not.toContain("lost");
});
