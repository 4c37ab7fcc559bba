import { beforeEach, expect, it } from "vitest";
import type { EtcdView, GateRecord } from "../../core/decide/lease/types.ts";
import type { DatabaseConfig } from "../../core/engines/agent/config.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { ProbeAnswer } from "./postgres.ts";
import { releaseGate } from "./release.ts";

const config = {
  self: "data1",
  members: [1, 2, 3].map((n) => ({ name: `data${n}`, address: `10.0.0.${n}`, data: true })),
} as unknown as DatabaseConfig;

let view: EtcdView;
let postgres: ProbeAnswer | null;
let written: { record: GateRecord; revision: string; leaderLease: string | null }[];
let removed: number;
let tries: number;
let conflict: boolean;
const warnings: string[] = [];

beforeEach(() => {
  view = {
    leader: { host: "data1", lease: "7", ttlMs: 19_000 },
    switchover: null,
    records: { data1: { state: "open", lease: "7", revision: "3" } },
  };
  postgres = { status: "primary", upstream: null };
  written = [];
  removed = 0;
  tries = 0;
  conflict = false;
  warnings.length = 0;
});

/** The agent comes back at its so-manieth question: what was not done by then is not done. */
const release = (livesAt = 4): Promise<boolean> =>
  releaseGate(config, {
    gate: { remove: async () => void removed++ },
    etcd: {
      read: async () => view,
      writeRecord: async (write) => {
        written.push(write);
        return conflict ? null : "4";
      },
    },
    probe: async () => postgres,
    agentLives: async () => ++tries >= livesAt,
    reporter: {
      info: () => undefined,
      warn: (message) => warnings.push(message),
      event: () => undefined,
      task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
    },
    signal: new AbortController().signal,
    intervalMs: 1,
    silentMs: 0,
  });

it("takes the gate of a leader away, once its record says so", async () => {
  expect(await release()).toBe(true);
  expect(written).toEqual([
    { host: "data1", record: { state: "unarmed", lease: "7" }, revision: "3", leaderLease: "7" },
  ]);
  expect(removed).toBe(1);
});

it("takes the gate of a replica away that follows the leader", async () => {
  view = { leader: { host: "data2", lease: "9", ttlMs: 19_000 }, switchover: null, records: {} };
  postgres = { status: "replica", upstream: "10.0.0.2" };
  expect(await release()).toBe(true);
  expect(written[0]).toMatchObject({
    record: { state: "unarmed", lease: null },
    revision: "0",
    leaderLease: null,
  });
});

it("does nothing while the agent lives, or before it was silent for long", async () => {
  expect(await release(1)).toBe(false);
  expect(written).toEqual([]);
});

it.each([
  [
    "is fenced",
    () => (view = { ...view, records: { data1: { state: "fenced", lease: "7", revision: "3" } } }),
  ],
  ["is primary without the key", () => (view = { ...view, leader: { host: "data2", lease: "9", ttlMs: 1 } })],
  ["is primary while nobody leads", () => (view = { ...view, leader: null })],
  [
    "follows somebody who does not lead",
    () => {
      view = { ...view, leader: { host: "data2", lease: "9", ttlMs: 1 } };
      postgres = { status: "replica", upstream: "10.0.0.3" };
    },
  ],
  ["does not answer", () => (postgres = null)],
  ["is starting", () => (postgres = { status: "starting", upstream: null })],
])("leaves the gate of a host closed that %s", async (_why, change) => {
  change();
  expect(await release()).toBe(false);
  expect([written, removed]).toEqual([[], 0]);
  expect(warnings).toHaveLength(1);
});

it("leaves the gate closed when somebody else wrote the record, or etcd is away", async () => {
  conflict = true;
  expect(await release()).toBe(false);
  expect(removed).toBe(0);
  Object.defineProperty(view, "leader", {
    get: () => {
      throw new HoldfastError("etcd does not answer");
    },
  });
  expect(await release()).toBe(false);
  expect(removed).toBe(0);
});
