import { expect, it } from "vitest";
import type { ServiceTopology } from "../core/topology/schema.ts";
import type { Machine } from "../ports.ts";
import type { Provider } from "../run/provider.ts";
import type { PoolRecord } from "../run/pool/record.ts";
import { changed } from "./controller.ts";

const zones = { app1: "a", app2: "b", app3: "a", app4: "b" };
const full = {
  app: { hosts: Object.keys(zones) },
  hosts: Object.fromEntries(Object.entries(zones).map(([name, zone]) => [name, { zone }])),
} as unknown as ServiceTopology;

const providerOf = (...names: string[]): Provider =>
  ({ machines: names.map((name) => ({ name }) as Machine) }) as unknown as Provider;

const record: PoolRecord = {
  version: 1,
  revision: 7,
  desired: 2,
  members: ["app1", "app2"].map((host) => ({ host, role: "serving", protected: false })),
};
const both = providerOf("app1", "app2");

const rolesOf = ({ members }: PoolRecord): string[] => members.map(({ host, role }) => `${host} ${role}`);

it("writes down what a turn decided, all of it or nothing", () => {
  const actions = [
    { kind: "resize", from: 2, to: 3 },
    { kind: "reserve", zone: "a" },
    { kind: "reserve", zone: "b" },
    { kind: "drain", id: "app1", why: "lost" },
  ] as const;
  const next = changed(record, actions, { full }, both);
  expect(next.desired).toBe(3);
  expect(rolesOf(next)).toEqual(["app1 draining", "app2 serving", "app3 standby", "app4 standby"]);
  // Whoever writes it must find what it was decided by.
  expect(next.revision).toBe(record.revision);
});

it("writes nothing for what happens to machines alone", () => {
  const actions = [
    { kind: "make", id: "app1" },
    { kind: "remove", id: "app2", cut: 0 },
  ] as const;
  expect(changed(record, actions, { full }, both)).toBe(record);
});

it("gives nobody the place of a machine that is still there", () => {
  const orphaned = providerOf("app1", "app2", "app3");
  expect(() => changed(record, [{ kind: "reserve", zone: "a" }], { full }, orphaned)).toThrow(/no free host/);
});

it("forgets a member and lets its place be taken", () => {
  const gone = changed(record, [{ kind: "forget", id: "app1" }], { full }, providerOf("app2"));
  expect(rolesOf(gone)).toEqual(["app2 serving"]);
  const next = changed(gone, [{ kind: "reserve", zone: "a" }], { full }, providerOf("app2"));
  expect(rolesOf(next)).toEqual(["app2 serving", "app1 standby"]);
});
