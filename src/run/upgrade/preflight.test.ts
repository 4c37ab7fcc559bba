import { expect, it } from "vitest";
import { blueprint } from "../../../test/support/render.ts";
import type { Host } from "../../ports.ts";
import type { TopologyState } from "../state.ts";
import { checkStart } from "./preflight.ts";

const topology = blueprint();
/** Hosts that are what the topology says: the pool is what is looked at here. */
const state: TopologyState = {
  directory: "",
  secrets: new Map(),
  certificates: {
    caCertificate: "",
    hosts: new Map(),
    entry: { certificate: "", key: "" },
  },
  artifacts: { holdfast: { sha256: "", version: "", bytes: new Uint8Array() } },
  desired: new Map(),
  digests: new Map(),
};

/** Two entry hosts whose HAProxy has app1 and app2 in these states. */
function entries(...pools: readonly (readonly [string, string])[]): ReadonlyMap<string, Host> {
  const host = (name: string, pool: readonly string[]): Host => ({
    name,
    address: "",
    run: () => {
      const rows = pool.map((status, index) => `app,app${index + 1},${status},2`);
      const stdout = `# pxname,svname,status,type\n${rows.join("\n")}\n`;
      return Promise.resolve({ code: 0, stdout, stderr: "" });
    },
  });
  return new Map(pools.map((pool, index) => [`lb${index + 1}`, host(`lb${index + 1}`, pool)]));
}
const both = ["UP", "UP"] as const;

it("begins with every app host in the pool, everywhere", async () => {
  await checkStart(topology, entries(both, both), state, "rolling");
  const rolling = checkStart(topology, entries(both, ["UP", "DOWN"]), state, "rolling");
  await expect(rolling).rejects.toThrow("needs every app host in the pool: lb2 has app2 DOWN");
  // A release that does not run must not keep the next one out.
  await checkStart(topology, entries(both, ["UP", "DOWN"]), state, "limited-downtime");
});

it("does not end what somebody has taken a host out for", async () => {
  for (const strategy of ["rolling", "limited-downtime"] as const) {
    const start = checkStart(topology, entries(["MAINT", "UP"], both), state, strategy);
    await expect(start).rejects.toThrow("taken out of it: lb1 has app1 MAINT");
  }
});
