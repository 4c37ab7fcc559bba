import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { blueprint } from "../../../test/support/render.ts";
import { WorkloadServer } from "../../../test/support/workload-server.ts";
import {
  parseHistory,
  parseReadBack,
  type ReadBack,
  type RequestRecord,
  SKIPPED,
} from "../../core/drill/history.ts";
import { judge, type Marks } from "../../core/drill/judge.ts";
import { isLost, settled } from "../../core/drill/readback.ts";
import { spacingMs } from "../../core/drill/schedule.ts";
import { poll } from "../../lib/retry.ts";
import { loadCertificates } from "../../run/certificates.ts";
import type { LoadConfig, ReadBackConfig } from "./config.ts";
import { linesOf } from "./lines.ts";
import { generateLoad } from "./load.ts";
import { readBackWrites } from "./readback.ts";

let folder: string;
let server: WorkloadServer;
let config: LoadConfig;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-load-"));
  const topology = blueprint("privx-onprem", (raw) => {
    raw.entry.address.vip = "127.0.0.1";
  });
  const { caCertificate, entry } = await loadCertificates(folder, topology, null);
  server = await WorkloadServer.start(entry);
  config = {
    mode: "load",
    origin: `https://127.0.0.1:${server.port}`,
    domain: "access.example.test",
    ca: caCertificate,
    token: "secret-token",
    workload: { read: "/roles", write: "/entries", readBack: "/entries/{id}" },
    rate: { perSecond: 100, clients: 10 },
    connectTimeoutMs: 10_000, // of a busy machine; the one test that is about it sets its own
    responseTimeoutMs: 15_000,
    limitMs: 60_000,
    run: "abc123",
    historyFile: join(folder, "history.jsonl"),
    readBackFile: join(folder, "readback.jsonl"),
    trail: null,
  };
});

afterEach(async () => {
  await server.stop();
  await rm(folder, { recursive: true });
});

const never = new AbortController().signal;

/** Of everything, at the end. */
const readBackConfig = (): ReadBackConfig => ({
  ...config,
  mode: "read-back",
  round: 0,
  from: { history: 0, observations: 0 },
  whole: true,
});
/** A busy machine leaves some out; those are not read back. */
const sentWrites = (history: readonly RequestRecord[]): RequestRecord[] =>
  history.filter(({ id, error }) => id !== null && error !== SKIPPED);
const findings = async (): Promise<ReadBack[]> => parseReadBack(await readFile(config.readBackFile, "utf8"));
const readHistory = async (): Promise<RequestRecord[]> =>
  parseHistory(await readFile(config.historyFile, "utf8"));

/** Waits until the record of a write is in the history's file. */
const onDisk = (id: () => string | undefined): Promise<unknown> =>
  poll(
    async () => {
      const wanted = id();
      return wanted !== undefined && (await readFile(config.historyFile, "utf8")).includes(wanted);
    },
    { deadlineMs: 60_000, intervalMs: 50, what: "a write in the history" },
  );

/** Runs the load and the script beside it; the load is stopped when the script ends. */
async function load(script: () => Promise<void>): Promise<RequestRecord[]> {
  const stop = new AbortController();
  const started = Promise.withResolvers<void>();
  const emit = (message: { type: string }): void => {
    if (message.type === "started") started.resolve();
  };
  const ended = generateLoad(config, emit, { stop: stop.signal, abandon: never });
  await Promise.race([started.promise, ended]);
  await script();
  stop.abort();
  await ended;
  return readHistory();
}

const marks: Marks = {
  fault: "scripted",
  title: "",
  target: "",
  baseline: 0,
  inject: 0,
  prove: 0,
  heal: 0,
  recovered: 0,
  end: 60_000,
  tookEffect: true,
  proof: "",
  recoveredBy: "",
  notRecovered: null,
};
const judged = (history: readonly RequestRecord[]) =>
  judge({ history, readBack: [], samplingMs: spacingMs(config.rate) }, marks, {
    recoveryTimeMs: 60_000,
    noDataLoss: true,
    noIdempotentFailures: true,
  });

test("a constant rate of all classes, with its own cookies, token and host name", async () => {
  const history = await load(() => sleep(2000));
  expect(history.every((record) => record.outcome === "ok")).toBe(true);
  // Open loop: as many as the time allows, however slow this machine is.
  const last = Math.max(...history.map((record) => record.sent));
  expect(history.length).toBeGreaterThanOrEqual(Math.floor(last / 10));
  expect(history.toSorted((a, b) => a.seq - b.seq).every((record, seq) => record.intended === seq * 10)).toBe(
    true,
  );
  const fresh = history.filter((record) => record.class === "read-fresh").length;
  expect(fresh).toBeGreaterThan(0);
  // Each fresh request has a connection of its own; each other client needs few.
  expect(server.connections).toBeGreaterThanOrEqual(fresh);
  expect(server.connections).toBeLessThan(history.length);
  expect(server.cookies.size).toBeGreaterThanOrEqual(config.rate.clients - 2);
  expect([...server.tokens]).toEqual(["Bearer secret-token"]);
  expect([...server.hosts]).toEqual(["access.example.test"]);
});

test("a hang of 1 s is an outage of 1 s and no failure", async () => {
  const history = await load(async () => {
    await sleep(500);
    server.behave("hang");
    await sleep(1000);
    server.behave("normal");
    await sleep(500);
  });
  const result = judged(history);
  expect(result.failedRequests).toBe(0);
  expect(result.longestOutageMs).toBeGreaterThan(850); // 1 s less the sampling of 100 ms
  expect(result.longestOutageMs).toBeLessThan(3000);
  // No coordinated omission: requests went on being sent while others hung.
  const hung = history.filter((record) => record.done - record.intended > 250);
  expect(hung.length).toBeGreaterThan(50);
});

test("503 for 500 ms: failed, and an outage of about that", async () => {
  const history = await load(async () => {
    await sleep(500);
    server.behave("unavailable");
    await sleep(500);
    server.behave("normal");
    await sleep(500);
  });
  const result = judged(history);
  expect(result.failed).toBeGreaterThan(20);
  expect(result.unknown).toBe(0);
  expect(result.longestOutageMs).toBeGreaterThan(350);
  expect(result.longestOutageMs).toBeLessThan(2500);
  expect(history.filter((record) => record.outcome === "failed").every(({ status }) => status === 503)).toBe(
    true,
  );
});

test("a reset after sending: reads failed, writes unknown", async () => {
  const history = await load(async () => {
    server.behave("reset");
    await sleep(500);
    server.behave("normal");
    await sleep(300);
  });
  const reset = history.filter((record) => record.outcome !== "ok");
  expect(reset.length).toBeGreaterThan(10);
  for (const record of reset) expect(record.outcome).toBe(record.class === "write" ? "unknown" : "failed");
});

test("slow answers are an outage each while they last", async () => {
  server.behave("slow");
  const history = await load(() => sleep(600));
  expect(history.every((record) => record.outcome === "ok")).toBe(true);
  expect(judged(history).longestOutageMs).toBeGreaterThanOrEqual(400);
});

test("no answer at all: unknown after the response timeout, never failed", async () => {
  config = { ...config, connectTimeoutMs: 3000, responseTimeoutMs: 400 };
  server.behave("hang");
  const history = await load(() => sleep(400));
  expect(history.length).toBeGreaterThan(20);
  expect(history.every(({ outcome, error }) => outcome === "unknown" && error === "timeout")).toBe(true);
});

test("nobody listens: failed at once", async () => {
  await server.stop();
  const history = await load(() => sleep(300));
  expect(history.every(({ outcome, error }) => outcome === "failed" && error === "ECONNREFUSED")).toBe(true);
});

test("a connection that is never accepted is given up after the connect timeout", async () => {
  const silent: Server = createServer(() => undefined); // TCP accepted by the kernel, TLS never answered
  await new Promise<void>((resolve) => {
    silent.listen(0, "127.0.0.1", resolve);
  });
  const { port } = silent.address() as { port: number };
  config = {
    ...config,
    connectTimeoutMs: 500,
    origin: `https://127.0.0.1:${port}`,
    rate: { perSecond: 20, clients: 5 },
  };
  const history = await load(() => sleep(300));
  silent.close();
  for (const record of history) {
    expect(record).toMatchObject({ outcome: "failed", error: "CONNECT_TIMEOUT" });
    expect(record.done - record.sent).toBeGreaterThanOrEqual(490);
    expect(record.done - record.sent).toBeLessThan(5000);
  }
});

test("a certificate of another CA is refused", async () => {
  const other = await loadCertificates(join(folder, "other"), blueprint(), null);
  config = { ...config, ca: other.caCertificate };
  const history = await load(() => sleep(200));
  expect(history.length).toBeGreaterThan(0);
  expect(history.every((record) => record.outcome === "failed")).toBe(true);
});

test("the time limit ends the load by itself", async () => {
  config = { ...config, limitMs: 300 };
  const messages: string[] = [];
  await generateLoad(config, ({ type }) => messages.push(type), { stop: never, abandon: never });
  expect(messages.at(-1)).toBe("ended");
  expect((await readHistory()).length).toBeGreaterThan(0);
});

test("a history that cannot be written ends the load with the reason", async () => {
  config = { ...config, historyFile: "/dev/full" };
  const control = { stop: never, abandon: never };
  await expect(generateLoad(config, () => undefined, control)).rejects.toThrow("cannot write the history");
  config = { ...config, historyFile: join(folder, "absent", "history.jsonl") };
  await expect(generateLoad(config, () => undefined, control)).rejects.toThrow("cannot write the history");
});

test("a service that acknowledges and drops is caught, and so is a write that was never made", async () => {
  const history = await load(async () => {
    await sleep(400);
    server.behave("lie");
    await sleep(400);
    server.behave("unavailable");
    await sleep(300);
    server.behave("normal");
    await sleep(200);
  });
  const phantom = sentWrites(history).find(({ outcome }) => outcome === "failed")?.id ?? "";
  server.entries.set(phantom, `drill value of ${phantom}`);
  const changed = [...server.entries.keys()][0] ?? "";
  server.entries.set(changed, "another value");
  const { count } = await readBackWrites(readBackConfig(), never);
  expect(count).toBe(sentWrites(history).length);
  const readBack = await findings();
  const result = judge({ history, readBack, samplingMs: 100 }, marks, {
    recoveryTimeMs: 60_000,
    noDataLoss: true,
    noIdempotentFailures: false,
  });
  expect(server.dropped.size).toBeGreaterThan(5);
  expect(new Set(result.lostWrites)).toEqual(new Set([...server.dropped, changed]));
  expect(result.phantomWrites).toEqual([phantom]);
  expect(result.verdict).toBe("fail");
});

test("many lost writes are all told, in the time that one takes", async () => {
  server.behave("lie");
  const history = await load(() => sleep(2000));
  server.behave("normal");
  await readBackWrites({ ...readBackConfig(), limitMs: 8000 }, never);
  const readBack = await findings();
  const acknowledged = history.filter(({ id, outcome }) => id !== null && outcome === "ok");
  expect(acknowledged.length).toBeGreaterThan(70); // by 16 at a time for 2 s each they would take 10 s
  expect(readBack.filter(({ found }) => found === "absent")).toHaveLength(acknowledged.length);
});

test("with a list writes are read back by pages, and only what is not as it should be is asked for singly", async () => {
  config = { ...config, workload: { ...config.workload, list: "/entries?prefix={prefix}&after={after}" } };
  const history = await load(() => sleep(1500));
  const [lost = "", changed = ""] = [...server.entries.keys()];
  server.entries.delete(lost);
  server.entries.set(changed, "another value");
  server.reads = 0;
  const writes = sentWrites(history).length;
  expect((await readBackWrites(readBackConfig(), never)).count).toBe(writes);
  const readBack = await findings();
  expect(readBack.filter(({ found }) => found === "absent").map(({ id }) => id)).toEqual([lost]);
  expect(readBack.filter(({ found }) => found === "other").map(({ id }) => id)).toEqual([changed]);
  expect(readBack.filter(({ found }) => found === "same")).toHaveLength(writes - 2);
  expect(server.listedAfter.length).toBeGreaterThan(1);
  expect(server.reads).toBeLessThan(writes / 2); // the lost one again and again, the changed one once
});

test("what is new is read back beside the load, and what was lost since is found at the end", async () => {
  config = { ...config, workload: { ...config.workload, list: "/entries?prefix={prefix}&after={after}" } };
  let lost = "";
  let to = readBackConfig().from;
  const history = await load(async () => {
    await onDisk(() => [...server.entries.keys()][5]);
    ({ to } = await readBackWrites({ ...readBackConfig(), whole: false }, never));
    [lost = ""] = (await findings()).map(({ id }) => id);
    server.entries.delete(lost);
    server.behave("lie");
    await onDisk(() => [...server.dropped][5]);
    server.behave("normal");
    server.listedAfter.length = 0;
    await readBackWrites({ ...readBackConfig(), whole: false, round: 1, from: to }, never);
    expect(server.listedAfter[0]).toMatch(/^abc123-\d+$/); // not from the beginning
  });
  const before = await findings();
  expect(new Set(before.map(({ id }) => id)).size).toBe(before.length); // nothing twice
  expect(before.filter(({ id }) => id === lost)).toMatchObject([{ found: "same", round: 0 }]);
  await readBackWrites({ ...readBackConfig(), round: 2, from: to }, never);
  const all = settled(await findings());
  const writes = sentWrites(history).flatMap(({ id }) => id ?? []);
  expect(all.map(({ id }) => id).toSorted()).toEqual(writes.toSorted());
  const found = new Map(all.filter(isLost).map(({ id, round }) => [id, round]));
  expect(new Set(found.keys())).toEqual(new Set([lost, ...server.dropped]));
  expect(found.get(lost)).toBe(2);
  for (const id of [...server.dropped].slice(0, 6)) expect(found.get(id)).toBe(1);
});

test("a line that is being written is read the next time", async () => {
  const path = join(folder, "lines");
  const read = async (from: number, to?: number): Promise<[string, number][]> => {
    const lines: [string, number][] = [];
    for await (const { text, end } of linesOf(path, from, to)) lines.push([text, end]);
    return lines;
  };
  await writeFile(path, "one\nzw\u00f6lf\nhal");
  expect(await read(0)).toEqual([
    ["one\n", 4],
    ["zw\u00f6lf\n", 11],
  ]);
  await writeFile(path, "one\nzw\u00f6lf\nhalf\n");
  expect(await read(11)).toEqual([["half\n", 16]]);
  expect(await read(4, 11)).toEqual([["zw\u00f6lf\n", 11]]);
  expect(await read(16)).toEqual([]);
});

test("what cannot be read back in time is unreadable, not lost", async () => {
  await load(() => sleep(300));
  server.behave("unavailable");
  await readBackWrites({ ...readBackConfig(), limitMs: 500 }, never);
  const readBack = await findings();
  expect(readBack.length).toBeGreaterThan(0);
  expect(readBack.every(({ found }) => found === "unreadable")).toBe(true);
});

test("a generator whose driver dies ends at once, without load left behind", async () => {
  server.behave("hang"); // even with answers outstanding
  const script = join(import.meta.dirname, "../../../test/support/loadgen.ts");
  const child = spawn(process.execPath, [script], { stdio: ["pipe", "pipe", "ignore"] });
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.stdin.write(`${JSON.stringify(config)}\n`);
  await new Promise((resolve) => child.stdout.once("data", resolve));
  await sleep(200);
  child.stdin.destroy(); // what the kernel does when the driver is killed
  const inTime = await Promise.race([exited, sleep(10_000, "still running", { ref: false })]);
  expect(inTime).toBe(1);
});
