import { expect, it } from "vitest";
import { firstInstance, parseNotification, stateInDump } from "./state.ts";

it("reads a notification, and nothing that is none", () => {
  const expected = { type: "INSTANCE", name: "VI_1", state: "MASTER" };
  expect(parseNotification('INSTANCE "VI_1" MASTER 253')).toEqual(expected);
  expect(parseNotification('INSTANCE "VI_1" MASTER')).toEqual(expected);
  expect(parseNotification('GROUP "a b" STOP 0\n')).toEqual({ type: "GROUP", name: "a b", state: "STOP" });
  expect(parseNotification('INSTANCE "VI_1" MASTER_RX_LOWER_PRI 253')).toBeNull();
  expect(parseNotification("")).toBeNull();
  expect(parseNotification('NSTANCE "VI_1" MASTER 253')).toBeNull();
});

const dump = `------< VRRP Topology >------
 VRRP Instance = VI_10
   VRRP Version = 2
   State = BACKUP
   Flags:
 VRRP Instance = VI_1
   VRRP Version = 2
   State = MASTER
   Flags:
     Using unicast
`;

it("finds the instance's state in a dump", () => {
  expect(stateInDump(dump, "VI_1")).toBe("MASTER");
  expect(stateInDump(dump, "VI_10")).toBe("BACKUP");
  expect(stateInDump(dump, "VI_2")).toBeNull();
  expect(firstInstance(dump)).toBe("VI_10");
});

it("a dump that is not written to its end is never misread", () => {
  const seen = new Set(Array.from(dump, (_, length) => stateInDump(dump.slice(0, length), "VI_1")));
  expect(seen).toEqual(new Set([null, "MASTER"]));
});
