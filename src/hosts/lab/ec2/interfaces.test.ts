import { describe, expect, test } from "vitest";
import { at, call, codeOf, eni1, eni2, entry } from "../../../../test/support/ec2.ts";

const assign = { NetworkInterfaceId: eni1, "PrivateIpAddress.1": "10.9.1.50" };
const assigned = call("AssignPrivateIpAddresses", assign);

describe("AssignPrivateIpAddresses", () => {
  test("named, or as many as asked for", () => {
    expect(assigned.state.secondary[eni1]).toEqual(["10.9.1.50"]);
    const more = call(
      "AssignPrivateIpAddresses",
      { NetworkInterfaceId: eni1, SecondaryPrivateIpAddressCount: "2" },
      assigned,
    );
    expect(new Set(more.state.secondary[eni1]).size).toBe(3);
    expect(at(more.answer, "assignedPrivateIpAddressesSet.length")).toBe(2);
  });

  test("from another interface only when it may, and with its Elastic IP", () => {
    const parameters = { NetworkInterfaceId: eni1, AllocationId: entry, PrivateIpAddress: "10.9.1.50" };
    const associated = call("AssociateAddress", parameters, assigned);
    const take = { ...assign, NetworkInterfaceId: eni2 };
    expect(codeOf(() => call("AssignPrivateIpAddresses", take, associated))).toBe("InvalidParameterValue");
    const { state } = call("AssignPrivateIpAddresses", { ...take, AllowReassignment: "true" }, associated);
    expect(state.secondary).toEqual({ [eni1]: [], [eni2]: ["10.9.1.50"] });
    expect(state.associations[entry]).toMatchObject({ interfaceId: eni2, privateIp: "10.9.1.50" });
  });

  test.each([
    ["InvalidParameterValue", { "PrivateIpAddress.1": "10.8.0.1" }],
    ["InvalidParameterValue", { "PrivateIpAddress.1": "ten" }],
    ["InvalidParameterValue", { "PrivateIpAddress.1": "10.9.1.12", AllowReassignment: "true" }],
    [
      "InvalidParameterCombination",
      { "PrivateIpAddress.1": "10.9.1.9", SecondaryPrivateIpAddressCount: "1" },
    ],
    ["MissingParameter", {}],
    ["PrivateIpAddressLimitExceeded", { SecondaryPrivateIpAddressCount: "50" }],
  ])("%s: %j", (code, parameters) => {
    const request = { NetworkInterfaceId: eni1, ...(parameters as Record<string, string>) };
    expect(codeOf(() => call("AssignPrivateIpAddresses", request))).toBe(code);
  });
});

describe("UnassignPrivateIpAddresses", () => {
  test("frees the Elastic IP too", () => {
    const parameters = { NetworkInterfaceId: eni1, AllocationId: entry, PrivateIpAddress: "10.9.1.50" };
    const associated = call("AssociateAddress", parameters, assigned);
    const { state } = call("UnassignPrivateIpAddresses", assign, associated);
    expect(state.secondary[eni1]).toEqual([]);
    expect(state.associations).toEqual({});
  });

  test.each(["10.9.1.11", "10.9.1.51"])("not the primary one, nor one of others: %s", (address) => {
    const request = { NetworkInterfaceId: eni1, "PrivateIpAddress.1": address };
    expect(codeOf(() => call("UnassignPrivateIpAddresses", request, assigned))).toBe("InvalidParameterValue");
  });
});

describe("IPv6 addresses", () => {
  const request = { NetworkInterfaceId: eni1, "Ipv6Addresses.1": "FD00:0:0::5" };
  const assigned = call("AssignIpv6Addresses", request);

  test("one spelling; on one interface", () => {
    expect(assigned.state.ipv6[eni1]).toEqual(["fd00::5"]);
    const take = { ...request, NetworkInterfaceId: eni2 };
    expect(codeOf(() => call("AssignIpv6Addresses", take, assigned))).toBe("InvalidParameterValue");
    const freed = call("UnassignIpv6Addresses", request, assigned);
    expect(call("AssignIpv6Addresses", take, freed).state.ipv6).toEqual({ [eni1]: [], [eni2]: ["fd00::5"] });
  });

  test.each(["10.9.1.1", "fd00::zz", "fd00::1/64"])("not one: %s", (address) => {
    const wrong = { NetworkInterfaceId: eni1, "Ipv6Addresses.1": address };
    expect(codeOf(() => call("AssignIpv6Addresses", wrong))).toBe("InvalidParameterValue");
  });
});
