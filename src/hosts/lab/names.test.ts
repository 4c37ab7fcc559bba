import { expect, test } from "vitest";
import {
  hostLink,
  macAddress,
  machineNamespace,
  machinePort,
  nspawnName,
  ownsNamespace,
  routerNamespace,
  switchNamespace,
  clientNamespace,
} from "./names.ts";

const long = "a-machine-with-a-name-of-31-char";

test("names fit Linux's limits", () => {
  expect(machinePort(long).length).toBeLessThanOrEqual(15);
  expect(machinePort(`${long.slice(0, 30)}x`)).not.toBe(machinePort(`${long.slice(0, 30)}y`));
  expect(machinePort("lo")).not.toBe("lo");
  expect(hostLink(long).length).toBeLessThanOrEqual(15);
  expect(nspawnName(long, long).length).toBeLessThanOrEqual(64);
});

test("a lab owns its namespaces and not those of a lab whose name begins with its own", () => {
  const ofLab = (lab: string) => [
    switchNamespace(lab),
    clientNamespace(lab),
    routerNamespace(lab),
    machineNamespace(lab, "m1"),
  ];
  for (const name of ofLab("a")) {
    expect(ownsNamespace("a", name)).toBe(true);
    expect(ownsNamespace("a-b", name)).toBe(false);
  }
  for (const name of ofLab("a-b")) expect(ownsNamespace("a", name)).toBe(false);
});

test("MAC addresses are locally administered, unicast, stable and different per machine and lab", () => {
  expect(macAddress("a", "m1")).toMatch(/^02(:[0-9a-f]{2}){5}$/);
  expect(macAddress("a", "m1")).toBe(macAddress("a", "m1"));
  expect(new Set([macAddress("a", "m1"), macAddress("a", "m2"), macAddress("b", "m1")]).size).toBe(3);
});
