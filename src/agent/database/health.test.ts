import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { leaseSettings } from "../../core/decide/lease/settings.ts";
import { startLease } from "../../core/decide/lease/step.ts";
import type { LeaseState } from "../../core/decide/lease/types.ts";
import type { DatabaseConfig } from "../../core/engines/agent/config.ts";
import { serveHealth } from "./health.ts";
import type { LeaseLoop } from "./loop.ts";

const names = ["data1", "data2", "data3"];
const settings = leaseSettings("data1", names, names);
const port = 20_000 + (process.pid % 10_000);
let state: LeaseState;
let primary: boolean;
let end: () => void;

beforeEach(async () => {
  state = startLease(settings, "1", true, performance.now());
  primary = true;
  const loop = {
    settings,
    get state() {
      return state;
    },
    servesAsPrimary: () => primary,
  } as unknown as LeaseLoop;
  const config = {
    self: "data1",
    members: [{ name: "data1", address: "127.0.0.1", data: true }],
    healthPort: port,
    etcd: { ca: "/nowhere" },
    postgres: { patroniPort: 1 },
  } as unknown as DatabaseConfig;
  end = await serveHealth(config, loop);
});
afterEach(() => end());

const ask = (path: string, method = "GET"): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}${path}`, { method });

it("says whether this host serves as primary", async () => {
  expect((await ask("/primary")).status).toBe(200);
  expect((await ask("/primary", "OPTIONS")).status).toBe(200);
  primary = false;
  expect((await ask("/primary")).status).toBe(503);
  expect((await ask("/other")).status).toBe(404);
  expect((await ask("/primary", "POST")).status).toBe(405);
});

it("is no primary without a gate when Patroni does not say so", async () => {
  state = startLease(settings, "1", false, performance.now());
  expect((await ask("/primary")).status).toBe(503);
});

it("tells the lease", async () => {
  expect(await (await ask("/status")).json()).toMatchObject({ mode: "armed", open: false, heard: ["data1"] });
});

it("survives who leaves without a word, and who never asks", async () => {
  const rude = connect(port, "127.0.0.1");
  await once(rude, "connect");
  rude.resetAndDestroy();
  const silent = connect(port, "127.0.0.1");
  await once(silent, "connect");
  expect((await ask("/primary")).status).toBe(200);
  await once(silent, "close");
});
