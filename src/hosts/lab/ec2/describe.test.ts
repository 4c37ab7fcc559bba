import { describe, expect, test } from "vitest";
import {
  account,
  anybody,
  at,
  call,
  codeOf,
  eni1,
  eni2,
  entry,
  i1,
  i2,
  other,
} from "../../../../test/support/ec2.ts";
import { initialState } from "./account.ts";

const associated = call("AssociateAddress", { AllocationId: entry, InstanceId: i1 });

describe("DescribeAddresses", () => {
  test("all, with their owner or without", () => {
    const { answer, state } = call("DescribeAddresses", {}, associated);
    expect(state).toBe(associated.state);
    expect(at(answer, "addressesSet.0")).toMatchObject({
      publicIp: "198.51.100.10",
      allocationId: entry,
      instanceId: i1,
      networkInterfaceId: eni1,
      privateIpAddress: "10.9.1.11",
      domain: "vpc",
    });
    expect(at(answer, "addressesSet.1.instanceId")).toBeUndefined();
  });

  test.each([
    [{ "AllocationId.1": other }, [other]],
    [{ "PublicIp.1": "198.51.100.10" }, [entry]],
    [{ "Filter.1.Name": "instance-id", "Filter.1.Value.1": i1, "Filter.1.Value.2": i2 }, [entry]],
    [{ "Filter.1.Name": "public-ip", "Filter.1.Value.1": "198.51.100.1?" }, [entry, other]],
    [
      {
        "Filter.1.Name": "allocation-id",
        "Filter.1.Value.1": "*",
        "Filter.2.Name": "instance-id",
        "Filter.2.Value.1": i2,
      },
      [],
    ],
  ])("%j", (parameters, ids) => {
    const { answer } = call("DescribeAddresses", parameters, associated);
    const found = at(answer, "addressesSet") as readonly { allocationId: string }[];
    expect(found.map(({ allocationId }) => allocationId)).toEqual(ids);
  });

  test("stale when it is told so", () => {
    const { answer } = call("DescribeAddresses", {}, { ...associated, seen: initialState(account) });
    expect(at(answer, "addressesSet.0.instanceId")).toBeUndefined();
  });

  test.each([
    ["InvalidAllocationID.NotFound", { "AllocationId.1": "eipalloc-0" }],
    ["InvalidAddress.NotFound", { "PublicIp.1": "192.0.2.1" }],
    ["InvalidParameterValue", { "Filter.1.Name": "colour", "Filter.1.Value.1": "red" }],
    ["DryRunOperation", { DryRun: "true" }],
  ])("%s: %j", (code, parameters) => {
    expect(codeOf(() => call("DescribeAddresses", parameters as Record<string, string>))).toBe(code);
  });
});

describe("DescribeInstances", () => {
  const idsOf = (parameters: Record<string, string>, options = {}) => {
    const { answer } = call("DescribeInstances", parameters, { ...associated, ...options });
    const reservations = at(answer, "reservationSet") as readonly {
      instancesSet: { instanceId: string }[];
    }[];
    return reservations.flatMap(({ instancesSet }) => instancesSet.map(({ instanceId }) => instanceId));
  };

  test.each([
    ["private-dns-name", "ip-10-9-1-12.eu-west-1.compute.internal", [i2]],
    ["private-dns-name", "ip-10-9-1-1?.*", [i1, i2]],
    ["private-dns-name", "ip-10-9-1-1.*", []],
    ["private-ip-address", "10.9.1.11", [i1]],
    ["ip-address", "198.51.100.10", [i1]],
    ["instance-state-name", "running", [i1, i2]],
    ["tag:Name", "m2", [i2]],
    ["network-interface.network-interface-id", eni2, [i2]],
  ])("%s %s", (name, value, ids) => {
    expect(idsOf({ "Filter.1.Name": name, "Filter.1.Value.1": value })).toEqual(ids);
  });

  test("by id; states are what EC2 is told to believe", () => {
    expect(idsOf({ "InstanceId.1": i2 })).toEqual([i2]);
    const behaviour = { instanceStates: { [i1]: "stopped" as const } };
    const running = { "Filter.1.Name": "instance-state-name", "Filter.1.Value.1": "running" };
    expect(idsOf(running, { behaviour })).toEqual([i2]);
    expect(codeOf(() => call("DescribeInstances", { "InstanceId.1": "i-00000000" }))).toBe(
      "InvalidInstanceID.NotFound",
    );
  });

  test("the public address is the Elastic IP, or the instance's own", () => {
    const { answer } = call("DescribeInstances", {}, associated);
    expect(at(answer, "reservationSet.0.instancesSet.0.ipAddress")).toBe("198.51.100.10");
    expect(at(answer, "reservationSet.1.instancesSet.0.ipAddress")).toBe("203.0.113.11");
  });

  test("in pages", () => {
    expect(codeOf(() => call("DescribeInstances", { MaxResults: "1" }))).toBe("InvalidParameterValue");
    expect(idsOf({ MaxResults: "5", NextToken: "1" })).toEqual([i2]);
  });
});

test("DescribeInstanceStatus: running ones, or all; impaired when told so", () => {
  const behaviour = { instanceStates: { [i1]: "stopped" as const }, impaired: [i2] };
  const { answer } = call("DescribeInstanceStatus", {}, { behaviour });
  expect(at(answer, "instanceStatusSet.length")).toBe(1);
  expect(at(answer, "instanceStatusSet.0")).toMatchObject({
    instanceId: i2,
    systemStatus: { status: "impaired" },
  });
  const all = call("DescribeInstanceStatus", { IncludeAllInstances: "true" }, { behaviour });
  expect(at(all.answer, "instanceStatusSet.0.instanceState.name")).toBe("stopped");
});

test("DescribeNetworkInterfaces: by filter, with the association of each address", () => {
  const parameters = { "Filter.1.Name": "attachment.instance-id", "Filter.1.Value.1": i1 };
  const { answer } = call("DescribeNetworkInterfaces", parameters, associated);
  expect(at(answer, "networkInterfaceSet.length")).toBe(1);
  expect(at(answer, "networkInterfaceSet.0.association.allocationId")).toBe(entry);
  expect(at(answer, "networkInterfaceSet.0.privateIpAddressesSet.0")).toMatchObject({
    privateIpAddress: "10.9.1.11",
    primary: true,
  });
});

describe("permissions", () => {
  const caller = { ...anybody, actions: ["ec2:Describe*"] };

  test("a refusal names the action that is missing, also in a dry run", () => {
    const parameters = { AllocationId: entry, InstanceId: i1, DryRun: "true" };
    const refused = () => call("AssociateAddress", parameters, { caller });
    expect(codeOf(refused)).toBe("UnauthorizedOperation");
    expect(refused).toThrow(/perform: ec2:AssociateAddress .* Encoded authorization failure message: \S+/);
    expect(codeOf(() => call("DescribeAddresses", {}, { caller }))).toBe("ok");
  });

  test("comes before anything else that is wrong", () => {
    expect(codeOf(() => call("AssociateAddress", { AllocationId: "?" }, { caller }))).toBe(
      "UnauthorizedOperation",
    );
  });
});
