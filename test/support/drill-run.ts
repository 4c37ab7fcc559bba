/** A small drill run as data: two injections of a fault, one of another, one that was not run. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { EngineMark, MarkKind } from "../../src/core/drill/engine-marks.ts";
import { formatLine, type RequestClass, type RequestRecord } from "../../src/core/drill/history.ts";
import { split } from "../../src/core/drill/report/bins.ts";
import type { FaultMarks, Injection, ReportInput, RunContext } from "../../src/core/drill/report/model.ts";
import { otherFigures, readResult } from "../../src/core/drill/report/read.ts";
import { topologySchema } from "../../src/core/topology/schema.ts";

/** What an attacker would put wherever text of others is shown. */
export const hostile = `</title><script src="https://evil.example/x.js">alert(1)</script><img src=x onerror='alert(2)'>`;

interface Scene {
  readonly fault: string;
  readonly verdict: "pass" | "fail" | "inconclusive";
  readonly outageMs: number;
  readonly reasons: readonly string[];
  readonly lost: readonly string[];
}

const scenes: readonly Scene[] = [
  { fault: "primary-kill", verdict: "pass", outageMs: 1200, reasons: [], lost: [] },
  { fault: "vip-holder-power-off", verdict: "pass", outageMs: 150, reasons: [], lost: [] },
  {
    fault: "primary-kill",
    verdict: "fail",
    outageMs: 2600,
    reasons: ["2 acknowledged writes are lost; the objective is none"],
    lost: ["run-41", "run-43"],
  },
];

const LENGTH_MS = 8000;
const SPACING_MS = 100;
const pattern: readonly RequestClass[] = ["read", "write", "read-fresh", "write", "read"];

function marksOf({ fault }: Scene, index: number): FaultMarks {
  const baseline = index * LENGTH_MS;
  return {
    fault,
    title: `title of ${fault}`,
    target: fault === "primary-kill" ? "data1" : "lb1",
    baseline,
    inject: baseline + 2000,
    prove: baseline + 2080,
    heal: baseline + 5000,
    recovered: baseline + 6000,
    end: baseline + LENGTH_MS,
    tookEffect: true,
    proof: "it is gone",
    recoveredBy: "the other one took over",
    notRecovered: null,
    objectives: { recoveryTimeMs: 10_000, noDataLoss: true, noIdempotentFailures: false },
  };
}

/** Twenty clients, 200 requests a second; during an outage writes wait for its end and every fourth read fails. */
function historyOf(scene: Scene, { baseline, inject }: FaultMarks): RequestRecord[] {
  return Array.from({ length: (LENGTH_MS / SPACING_MS) * 20 }, (_, seq): RequestRecord => {
    const intended = baseline + seq * (SPACING_MS / 20);
    const requestClass = pattern[(seq % 20) % pattern.length] ?? "read";
    const out = intended >= inject && intended < inject + scene.outageMs;
    const failed = out && requestClass !== "write" && seq % 4 === 0;
    const waited = out && requestClass === "write" ? inject + scene.outageMs - intended : 0;
    return {
      seq,
      class: requestClass,
      client: seq % 20,
      intended,
      sent: intended,
      done: intended + 2 + (seq % 7) + waited,
      outcome: failed ? "failed" : "ok",
      status: failed ? 503 : 200,
      error: null,
      id: null,
    };
  });
}

const engineMarks = ({ inject, target }: FaultMarks): EngineMark[] =>
  (
    [
      [20, "detect", "PostgreSQL is not running"],
      [140, "decide", "the primary crashed: fails over"],
      [480, "act", "won the leader key: promotes itself"],
      [530, "recovered", hostile],
    ] as const
  ).map(([after, kind, text]: readonly [number, MarkKind, string]) => ({
    at: inject + after,
    host: target,
    engine: "patroni",
    kind,
    text,
  }));

/** A result as `verdict.json` has it. */
export function verdictOf(scene: Scene): Record<string, unknown> {
  return {
    fault: scene.fault,
    tier: scene.fault === "primary-kill" ? "database" : "entry",
    title: `title of ${scene.fault}`,
    target: scene.fault === "primary-kill" ? "data1" : "lb1",
    verdict: scene.verdict,
    reasons: scene.reasons,
    proof: "it is gone",
    recoveredBy: "the other one took over",
    longestOutageMs: scene.outageMs,
    longestOutageRangeMs: { low: scene.outageMs - SPACING_MS, high: scene.outageMs + SPACING_MS },
    unavailableMs: scene.outageMs,
    requests: 1200,
    failedRequests: 30,
    failedIdempotentRequests: 30,
    acknowledgedWrites: 640,
    acknowledgedWritesLost: scene.lost.length,
    lostWrites: scene.lost,
    phantomWrites: [],
    duplicateWrites: [],
    unverifiedWrites: 0,
    samplingMs: SPACING_MS,
    sendLagP99Ms: 1.2,
    stalenessMs: 37,
  };
}

/** Its own, so that a change of a blueprint is no change of this report. */
const topology = topologySchema.parse({
  holdfast: 1,
  name: "shop",
  provider: { kind: "lab" },
  network: { subnet: "10.1.1.0/24" },
  zones: ["a", "b", "c"],
  hosts: {
    lb1: { zone: "a", address: "10.1.1.11" },
    lb2: { zone: "b", address: "10.1.1.12" },
    app1: { zone: "a", address: "10.1.1.21" },
    app2: { zone: "b", address: "10.1.1.22" },
    data1: { zone: "a", address: "10.1.1.31" },
    data2: { zone: "b", address: "10.1.1.32" },
    data3: { zone: "c", address: "10.1.1.33" },
  },
  objectives: {
    entry: { recoveryTime: "1s" },
    app: { recoveryTime: "1s" },
    database: { recoveryTime: "10s", dataLoss: "none" },
    cache: { recoveryTime: "5s" },
  },
  entry: { hosts: ["lb1", "lb2"], address: { vip: "10.1.1.10" } },
  app: {
    name: "shop",
    hosts: ["app1", "app2"],
    package: "shop-1.0.0.tar.gz",
    unit: "shop.service",
    user: "shop",
    services: [{ name: "shop", prefix: "/", port: 8441 }],
    health: { path: "/status" },
  },
  database: { hosts: ["data1", "data2"], name: "shop", user: "shop" },
  coordination: { hosts: ["data1", "data2", "data3"] },
  cache: { hosts: ["data1", "data2", "data3"] },
  storage: { mount: "/srv/shop", source: { kind: "nfs", server: hostile, export: "/shop" } },
  accept: [{ code: "HF122", reason: "a lost replica is repaired at once" }],
});

export const context: RunContext = {
  startedAt: "2026-01-02T03:04:05.678Z",
  command: "holdfast drill --all --repeat 2 --seed 7",
  seed: "7",
  holdfast: "0.1.0",
  topology,
  topologyHash: "0123456789abcdef".repeat(4),
  engines: [{ engine: "Patroni", version: "4.1.5", hosts: ["data1", "data2"] }],
  machine: {
    system: "Debian GNU/Linux 12",
    kernel: "6.1.0",
    processor: "Example CPU",
    cores: 2,
    memory: 8 * 1024 ** 3,
  },
};

export const runMarks: readonly FaultMarks[] = scenes.map(marksOf);
export const runVerdicts: readonly Record<string, unknown>[] = [
  ...scenes.map(verdictOf),
  {
    fault: "clock-jump",
    title: "the clock jumps",
    verdict: "not-run",
    reason: "the machines share one clock",
  },
];
export const runHistory: readonly RequestRecord[] = scenes.flatMap((scene, index) =>
  historyOf(scene, marksOf(scene, index)),
);
export const runEngineMarks: readonly EngineMark[] = runMarks.flatMap(engineMarks);

/** The same as a report's input, without a folder. */
export function reportInput(): ReportInput {
  const windows = runMarks.map(({ baseline, end }) => ({ from: baseline, to: end }));
  const records = split(runHistory, windows);
  const injections = runVerdicts.flatMap((verdict, index): Injection[] => {
    const result = readResult(verdict);
    if (result === null) return [];
    const marks = runMarks[index] ?? null;
    return [
      {
        result,
        marks,
        records: records[index] ?? [],
        engineMarks: marks === null ? [] : engineMarks(marks),
        lines:
          marks === null
            ? []
            : [
                {
                  name: "TCP probe",
                  gaps: [{ from: marks.inject, to: marks.inject + 60 }],
                  cut: marks.inject + 60,
                },
              ],
        otherFigures: otherFigures(verdict),
      },
    ];
  });
  return {
    topologyName: "shop",
    run: "2026-01-02T030405Z-all",
    context,
    aborted: null,
    rate: { perSecond: 200, clients: 20 },
    injections,
    writeTimes: new Map([["run-41", { intended: 18_100 }]]),
    unreadJournals: [{ host: "lb2", why: hostile }],
    catalogue: [
      { fault: "primary-kill", tier: "database", title: "kill the primary", doesNotApply: null },
      { fault: "cache-node-loss", tier: "cache", title: "lose a cache host", doesNotApply: null },
      { fault: "zone-loss", tier: "all", title: "lose a zone", doesNotApply: "there is only one zone" },
    ],
    stored: [
      {
        folder: "old",
        startedAt: "2026-01-01T00:00:00Z",
        topologyHash: "f".repeat(64),
        results: injections.slice(0, 2).map(({ result }) => result),
      },
      {
        folder: "this",
        startedAt: context.startedAt,
        topologyHash: context.topologyHash,
        results: injections.map(({ result }) => result),
      },
    ],
  };
}

/**
 * The same as a run's folder, which is made. Its last line of marks is half of one, as a killed drill leaves it.
 * @param change edits each entry of the verdict
 */
export async function storedRun(
  folder: string,
  change: (verdict: Record<string, unknown>) => Record<string, unknown> = (verdict) => verdict,
): Promise<string> {
  await mkdir(folder);
  const write = (file: string, text: string): Promise<void> => writeFile(join(folder, file), text);
  const rate = { perSecond: 200, clients: 20 };
  await write("marks.json", JSON.stringify({ topology: "shop", rate, aborted: null, faults: runMarks }));
  await write("verdict.json", JSON.stringify({ faults: runVerdicts.map(change) }));
  await write("history.jsonl", runHistory.map(formatLine).join(""));
  const lost = { id: "run-41", outcome: "ok", intended: 18_100, found: "absent", copies: 0 } as const;
  await write("readback.jsonl", formatLine(lost));
  await write("run.json", JSON.stringify(context));
  const collected = { from: 0, to: 24_000, marks: runEngineMarks, unread: [{ host: "lb2", why: hostile }] };
  await write("engine-marks.jsonl", `${JSON.stringify(collected)}\n{"half`);
  return folder;
}
