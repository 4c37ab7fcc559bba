import { expect, test } from "vitest";
import { contains, highestFree, overlaps, parseSubnet } from "./subnet.ts";

test("overlap in both directions, and none between neighbours", () => {
  const a = parseSubnet("10.77.10.0/24");
  expect(overlaps(a, parseSubnet("10.77.0.0/16"))).toBe(true);
  expect(overlaps(parseSubnet("10.77.0.0/16"), a)).toBe(true);
  expect(overlaps(a, parseSubnet("10.77.10.200"))).toBe(true);
  expect(overlaps(a, parseSubnet("10.77.11.0/24"))).toBe(false);
  expect(overlaps(a, parseSubnet("10.77.9.0/24"))).toBe(false);
});

test("an address with host bits stands for its subnet; high addresses stay positive", () => {
  expect(parseSubnet("192.168.200.77/24")).toEqual(parseSubnet("192.168.200.0/24"));
  expect(contains(parseSubnet("192.168.200.0/24"), "192.168.200.255")).toBe(true);
  expect(contains(parseSubnet("192.168.200.0/24"), "192.168.201.0")).toBe(false);
});

test("highest free addresses leave out the broadcast address and those taken", () => {
  const subnet = parseSubnet("10.1.2.0/24");
  expect(highestFree(subnet, ["10.1.2.253"], 2)).toEqual(["10.1.2.254", "10.1.2.252"]);
  expect(highestFree(parseSubnet("10.1.2.0/30"), ["10.1.2.1"], 2)).toEqual(["10.1.2.2"]);
});

test("what is no subnet is refused", () => {
  for (const text of ["10.0.0/24", "10.0.0.256/24", "10.0.0.0/33", "a.b.c.d", ""]) {
    expect(() => parseSubnet(text)).toThrow(/not an IPv4/);
  }
});
