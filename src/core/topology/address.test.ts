import * as fc from "fast-check";
import { expect, test } from "vitest";
import * as address from "./address.ts";

test("addresses round trip", () => {
  fc.assert(
    fc.property(fc.ipV4(), (text) => {
      expect(address.addressText(address.addressNumber(text))).toBe(text);
    }),
  );
});

test.each([
  ["10.77.10.5/24", "10.77.10.0/24", "10.77.10.255", 254],
  ["192.168.1.8/29", "192.168.1.8/29", "192.168.1.15", 6],
  ["200.1.2.3/32", "200.1.2.3/32", "200.1.2.3", 0],
  ["0.0.0.0/0", "0.0.0.0/0", "255.255.255.255", 2 ** 32 - 2],
])("subnet %s", (text, network, broadcast, usable) => {
  const subnet = address.parseSubnet(text);
  expect(address.subnetText(subnet)).toBe(network);
  expect(address.addressText(subnet.broadcast)).toBe(broadcast);
  expect(address.usableAddresses(subnet)).toBe(usable);
});

test("an address moves to the same offset, or nowhere", () => {
  const from = address.parseSubnet("10.77.10.0/24");
  expect(address.moveAddress("10.77.10.21", from, address.parseSubnet("172.16.0.0/16"))).toBe("172.16.0.21");
  expect(address.moveAddress("10.77.10.21", from, address.parseSubnet("172.16.0.0/28"))).toBeUndefined();
  expect(address.moveAddress("10.77.10.15", from, address.parseSubnet("172.16.0.0/28"))).toBeUndefined();
});

test.each([
  ["10.0.0.1", false],
  ["172.31.0.1", false],
  ["172.32.0.1", true],
  ["192.168.0.1", false],
  ["8.8.8.8", true],
])("%s is public: %s", (text, expected) => {
  expect(address.isPublic(text)).toBe(expected);
});

test.each([
  ["127.0.0.0/8", "is the loopback network"],
  ["169.254.3.0/24", "is for link-local addresses"],
  ["239.0.0.0/8", "is for multicast"],
  ["0.0.0.0/0", "is reserved (this network)"],
  ["10.77.10.0/24", undefined],
])("special use of %s", (text, expected) => {
  expect(address.specialUse(address.parseSubnet(text))).toBe(expected);
});
