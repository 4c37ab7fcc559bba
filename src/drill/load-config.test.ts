import { expect, test } from "vitest";
import { blueprint } from "../../test/support/render.ts";
import { defaultRate, loadConfigOf, type LoadTarget, observeConfigOf } from "./load-config.ts";
import { parseGeneratorConfig } from "./loadgen/config.ts";

const target: LoadTarget = {
  topology: blueprint("privx-onprem", () => undefined),
  caCertificate: "the topology's CA",
  apiToken: "token",
  folder: "/run-folder",
  rate: 500,
  limitMs: 1000,
};

test("both configurations are what the generator accepts, for the same run", () => {
  const load = loadConfigOf(target);
  const observe = { ...observeConfigOf(target, load), clock: "1" };
  expect(parseGeneratorConfig(JSON.stringify(load))).toEqual(load);
  expect(parseGeneratorConfig(JSON.stringify(observe))).toEqual(observe);
  expect(load).toMatchObject({ rate: { perSecond: 500, clients: 20 }, origin: "https://10.77.10.10:443" });
  expect(observe).toMatchObject({
    run: load.run,
    origin: load.origin,
    probe: { address: "10.77.10.10", tcpPort: 443, udpPort: 8405 },
    trail: { write: "/trail-store/api/v1/notes" },
  });
  expect(observe.observationsFile).toBe(load.trail?.observationsFile);
});

test("streams go through the entry, sessions and questions about the cache to each app host itself", () => {
  const observe = observeConfigOf(target, loadConfigOf(target));
  const by = (purpose: string) => observe.connections.filter((held) => held.purpose === purpose);
  expect(new Set(by("stream").map(({ origin }) => origin))).toEqual(new Set(["https://10.77.10.10:443"]));
  expect(by("session").map(({ name, origin, everyMs, path }) => [name, origin, everyMs, path])).toEqual([
    ["app1 busy session", "https://10.77.10.21:443", 100, "/role-store/api/v1/session?everyMs=100"],
    ["app1 idle session", "https://10.77.10.21:443", 5000, "/role-store/api/v1/session?everyMs=5000"],
    ["app2 busy session", "https://10.77.10.22:443", 100, "/role-store/api/v1/session?everyMs=100"],
    ["app2 idle session", "https://10.77.10.22:443", 5000, "/role-store/api/v1/session?everyMs=5000"],
  ]);
  expect(observe.cache?.hosts.map(({ name }) => name)).toEqual(["app1", "app2"]);
});

test("what the workload does not name is not observed; without a workload there is no load", () => {
  const { workload, ...app } = blueprint().app;
  if (workload === undefined) throw new Error("the blueprint has no workload");
  const { read, write, readBack } = workload;
  const least = {
    ...target,
    topology: { ...target.topology, app: { ...app, workload: { read, write, readBack } } },
  };
  const load = loadConfigOf(least);
  expect(observeConfigOf(least, load)).toMatchObject({ connections: [], cache: null, trail: null });
  expect(load.trail).toBeNull();
  const none = { ...target, topology: { ...target.topology, app } };
  expect(() => loadConfigOf(none)).toThrow("does not say what a drill may send");
});

test("a small host is not asked for more than it carries beside the lab", () => {
  expect([1, 2, 4, 16].map(defaultRate)).toEqual([100, 200, 400, 500]);
});
