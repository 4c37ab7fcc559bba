import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { account, at, call, codeOf, eni1, eni2, entry, i1, i2, other } from "../../../../test/support/ec2.ts";
import { type Ec2State, initialState } from "./account.ts";
import { ec2ConfigSchema } from "./config.ts";

const onFirst = call("AssociateAddress", { AllocationId: entry, InstanceId: i1 });
const firstId = onFirst.state.associations[entry]?.id ?? "";

describe("AssociateAddress", () => {
  test("puts the address on the instance's primary private address", () => {
    expect(onFirst.state.associations[entry]).toEqual({
      id: firstId,
      interfaceId: eni1,
      privateIp: "10.9.1.11",
    });
    expect(firstId).toMatch(/^eipassoc-[0-9a-f]{17}$/);
  });

  test("takes the address from another instance unless told not to", () => {
    const request = { AllocationId: entry, NetworkInterfaceId: eni2 };
    for (const allow of [{}, { AllowReassociation: "true" }]) {
      const moved = call("AssociateAddress", { ...request, ...allow }, onFirst);
      expect(moved.state.associations[entry]?.interfaceId).toBe(eni2);
      expect(at(moved.answer, "associationId")).not.toBe(firstId);
    }
    const kept = () => call("AssociateAddress", { ...request, AllowReassociation: "false" }, onFirst);
    expect(kept).toThrow(`resource ${entry} is already associated with associate-id ${firstId}`);
    expect(codeOf(kept)).toBe("Resource.AlreadyAssociated");
  });

  test("changes nothing where the address already is, also when it may not take it from others", () => {
    for (const AllowReassociation of ["true", "false"]) {
      const again = call(
        "AssociateAddress",
        { AllocationId: entry, InstanceId: i1, AllowReassociation },
        onFirst,
      );
      expect(again.state).toBe(onFirst.state);
      expect(at(again.answer, "associationId")).toBe(firstId);
    }
  });

  test("replaces the Elastic IP that the target has, unless told not to", () => {
    const request = { AllocationId: other, InstanceId: i1 };
    const replaced = call("AssociateAddress", request, onFirst);
    expect(Object.keys(replaced.state.associations)).toEqual([other]);
    const kept = () => call("AssociateAddress", { ...request, AllowReassociation: "false" }, onFirst);
    expect(codeOf(kept)).toBe("Resource.AlreadyAssociated");
  });

  test("goes to a secondary private address that the interface has", () => {
    const assigned = call("AssignPrivateIpAddresses", {
      NetworkInterfaceId: eni1,
      "PrivateIpAddress.1": "10.9.1.50",
    });
    const request = { AllocationId: entry, NetworkInterfaceId: eni1, PrivateIpAddress: "10.9.1.50" };
    const moved = call("AssociateAddress", request, assigned);
    expect(moved.state.associations[entry]?.privateIp).toBe("10.9.1.50");
    expect(codeOf(() => call("AssociateAddress", request))).toBe("InvalidParameterValue");
  });

  test.each([
    ["InvalidAllocationID.NotFound", { AllocationId: "eipalloc-00000000000000000", InstanceId: i1 }],
    ["InvalidInstanceID.NotFound", { AllocationId: entry, InstanceId: "i-00000000000000000" }],
    ["InvalidInstanceID.Malformed", { AllocationId: entry, InstanceId: "lb1" }],
    [
      "InvalidNetworkInterfaceID.NotFound",
      { AllocationId: entry, NetworkInterfaceId: "eni-00000000000000000" },
    ],
    ["MissingParameter", { InstanceId: i1 }],
    ["MissingParameter", { AllocationId: entry }],
    ["InvalidParameterCombination", { AllocationId: entry, InstanceId: i1, NetworkInterfaceId: eni1 }],
    ["InvalidParameterCombination", { PublicIp: "198.51.100.10", InstanceId: i1 }],
    ["InvalidParameterValue", { AllocationId: entry, InstanceId: i1, AllowReassociation: "yes" }],
    ["UnknownParameter", { AllocationId: entry, InstanceId: i1, Nonsense: "1" }],
    ["DryRunOperation", { AllocationId: entry, InstanceId: i1, DryRun: "true" }],
  ])("%s: %j", (code, parameters) => {
    expect(codeOf(() => call("AssociateAddress", parameters as Record<string, string>))).toBe(code);
  });

  test.each([
    ["stopped", "ok"],
    ["pending", "InvalidInstanceID"],
    ["terminated", "IncorrectInstanceState"],
  ] as const)("with a %s instance: %s", (state, code) => {
    const behaviour = { instanceStates: { [i1]: state } };
    const work = () => call("AssociateAddress", { AllocationId: entry, InstanceId: i1 }, { behaviour });
    expect(codeOf(work)).toBe(code);
  });

  test("an instance with two interfaces: which one must be said", () => {
    const [first, ...rest] = account.instances;
    const second = { id: "eni-11111111111111111", mac: "02:00:00:00:00:01", addresses: ["10.9.1.21"] };
    const config = ec2ConfigSchema.parse({
      ...account,
      instances: [{ ...first, interfaces: [...(first?.interfaces ?? []), second] }, ...rest],
    });
    const named = { AllocationId: entry, NetworkInterfaceId: second.id };
    expect(codeOf(() => call("AssociateAddress", { AllocationId: entry, InstanceId: i1 }, { config }))).toBe(
      "InvalidInstanceID",
    );
    expect(call("AssociateAddress", named, { config }).state.associations[entry]?.privateIp).toBe(
      "10.9.1.21",
    );
  });
});

describe("DisassociateAddress", () => {
  test("by a current association id, once", () => {
    const { state } = call("DisassociateAddress", { AssociationId: firstId }, onFirst);
    expect(state.associations).toEqual({});
    expect(codeOf(() => call("DisassociateAddress", { AssociationId: firstId }, { state }))).toBe(
      "InvalidAssociationID.NotFound",
    );
  });

  test("a stale association id takes the address from nobody", () => {
    const moved = call("AssociateAddress", { AllocationId: entry, InstanceId: i2 }, onFirst);
    expect(codeOf(() => call("DisassociateAddress", { AssociationId: firstId }, moved))).toBe(
      "InvalidAssociationID.NotFound",
    );
  });

  test.each([
    ["MissingParameter", {}],
    ["InvalidParameterValue", { PublicIp: "198.51.100.10" }],
  ])("%s: %j", (code, parameters) => {
    expect(codeOf(() => call("DisassociateAddress", parameters as Record<string, string>, onFirst))).toBe(
      code,
    );
  });
});

test("whatever is called: one Elastic IP per private address, and no association id twice", () => {
  const step = fc.record({
    allocation: fc.constantFrom(entry, other),
    instance: fc.constantFrom(i1, i2),
    allow: fc.constantFrom("true", "false"),
    free: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const given = new Set<string>();
      let state: Ec2State = initialState(account);
      for (const { allocation, instance, allow, free } of steps) {
        const before = state;
        const current = state.associations[allocation]?.id ?? "eipassoc-00000000000000000";
        codeOf(() => {
          ({ state } = free
            ? call("DisassociateAddress", { AssociationId: current }, { state })
            : call(
                "AssociateAddress",
                { AllocationId: allocation, InstanceId: instance, AllowReassociation: allow },
                { state },
              ));
        });
        const added = Object.values(state.associations).filter(
          ({ id }) => !Object.values(before.associations).some((association) => association.id === id),
        );
        for (const { id } of added) {
          expect(given.has(id)).toBe(false);
          given.add(id);
        }
        const targets = Object.values(state.associations).map(({ privateIp }) => privateIp);
        expect(new Set(targets).size).toBe(targets.length);
      }
    }),
  );
});
