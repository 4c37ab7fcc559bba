import { expect, test } from "vitest";
import { takeovers, type Witness } from "./witness.ts";

const before: Witness = {
  holders: ["lb1"],
  primary: { name: "data1", timeline: 4, synchronous: true },
  out: [],
  starts: new Map([
    ["haproxy.service on lb1", "a1"],
    ["keepalived.service on lb1", "b1"],
  ]),
};

test("nothing changed hands", () => {
  expect(takeovers(before, before)).toEqual([]);
  expect(takeovers(before, { holders: [], out: [], primary: null, starts: new Map() })).toEqual([]);
});

test("address, primary and restarts, each from what was seen", () => {
  expect(
    takeovers(before, {
      holders: ["lb2"],
      primary: { name: "data2", timeline: 5, synchronous: true },
      out: [],
      starts: new Map([
        ["haproxy.service on lb1", "a2"],
        ["keepalived.service on lb1", "b1"],
      ]),
    }),
  ).toEqual([
    "keepalived moved the address to lb2",
    "Patroni promoted data2 (timeline 4 to 5)",
    "systemd restarted haproxy on lb1",
  ]);
});

test("a new primary counts once its timeline is higher", () => {
  const halfWay = { ...before, primary: { name: "data2", timeline: 4, synchronous: true } };
  expect(takeovers(before, halfWay)).toEqual([]);
  const again = { ...before, primary: { name: "data1", timeline: 5, synchronous: true } };
  expect(takeovers(before, again)).toEqual(["Patroni started data1 again (timeline 4 to 5)"]);
});

test("a unit that is down has not been restarted", () => {
  expect(takeovers(before, { ...before, starts: new Map([["haproxy.service on lb1", ""]]) })).toEqual([]);
});

test("who was left out, or went on alone", () => {
  const alone = { name: "data1", timeline: 4, synchronous: false };
  expect(takeovers(before, { ...before, primary: alone, out: ["app2"] })).toEqual([
    "data1 went on without a synchronous replica",
    "HAProxy took app2 out of the pool",
  ]);
});
