import * as fc from "fast-check";
import { expect, test } from "vitest";
import { account, call, entry, i1, i2 } from "../../../../test/support/ec2.ts";
import { initialState } from "./account.ts";
import { difference, mappings, renderRules } from "./nat.ts";

test("an instance is reached through its Elastic IP, and through its own public address without one", () => {
  const state = initialState(account);
  expect(mappings(account, state)).toEqual([
    { publicIp: "203.0.113.10", privateIp: "10.9.1.11" },
    { publicIp: "203.0.113.11", privateIp: "10.9.1.12" },
  ]);
  const associated = call("AssociateAddress", { AllocationId: entry, InstanceId: i1 });
  expect(mappings(account, associated.state)).toEqual([
    { publicIp: "198.51.100.10", privateIp: "10.9.1.11" },
    { publicIp: "203.0.113.11", privateIp: "10.9.1.12" },
  ]);
});

test("rules: both directions, errors, the instances that are cut off, the hop limit", () => {
  const { state } = call("AssociateAddress", { AllocationId: entry, InstanceId: i2 });
  const behaviour = { ...account.behaviour, cut: [i1], metadataCut: [i2] };
  expect(renderRules(account, state, behaviour)).toMatchInlineSnapshot(`
    "table ip holdfast_ec2
    delete table ip holdfast_ec2
    table ip holdfast_ec2 {
      chain translate {
        type filter hook prerouting priority raw; policy accept;
        fib daddr type local accept
        icmp type { destination-unreachable, time-exceeded } @th,192,32 0xa09010c @th,32,16 0 @th,192,32 set 0xc633640a @th,32,16 set 0xe0d6
        icmp type { destination-unreachable, time-exceeded } @th,160,32 0xc633640a @th,48,16 0 @th,160,32 set 0xa09010c @th,48,16 set 0x1f29
        icmp type { destination-unreachable, time-exceeded } @th,192,32 0xa09010b @th,32,16 0 @th,192,32 set 0xcb00710a @th,32,16 set 0xcf08
        icmp type { destination-unreachable, time-exceeded } @th,160,32 0xcb00710a @th,48,16 0 @th,160,32 set 0xa09010b @th,48,16 set 0x30f7
        ip saddr 10.9.1.12 ip saddr set 198.51.100.10
        ip daddr 198.51.100.10 ip daddr set 10.9.1.12
        ip saddr 10.9.1.11 ip saddr set 203.0.113.10
        ip daddr 203.0.113.10 ip daddr set 10.9.1.11
      }
      chain forward {
        type filter hook forward priority filter; policy accept;
        ip saddr 10.9.1.0/24 drop comment "no public address"
      }
      chain input {
        type filter hook input priority filter; policy accept;
        ip saddr 10.9.1.11 ip daddr 203.0.113.3 drop
        ip saddr 10.9.1.12 ip daddr 169.254.169.254 drop
      }
      chain output {
        type filter hook output priority filter; policy accept;
        ip saddr 169.254.169.254 ip ttl set 1
      }
    }
    "
  `);
});

test("the checksum of an ICMP error stays right when addresses in it are replaced", () => {
  const word = fc.integer({ min: 0, max: 0xffff });
  fc.assert(
    fc.property(fc.array(word, { minLength: 14, maxLength: 14 }), word, word, (rest, before, after) => {
      const [from, to] = [before * 0x10001, after * 0x10001 + 7].map((number) => number % 2 ** 32) as [
        number,
        number,
      ];
      const message = (address: number, field: number) => [
        0x0303,
        field,
        0,
        ...rest,
        Math.floor(address / 0x10000),
        address % 0x10000,
      ];
      const changed = message(to, difference(from, to));
      expect(checksum(changed)).toBe(checksum(message(from, 0)));
    }),
  );
});

/** RFC 1071; 0 and 0xffff are the same number in ones' complement. */
function checksum(words: readonly number[]): number {
  return words.reduce((sum, word) => sum + word, 0) % 0xffff;
}
