import { expect, it } from "vitest";
import { knownCodes, meaningOf } from "./errors.ts";
import { policyFor } from "./policy.ts";

const kindOf = (code: string, status = 400) => meaningOf(code, status, "AssociateAddress").kind;

it("tells what may be repeated from what needs a person", () => {
  expect(kindOf("RequestLimitExceeded", 503)).toBe("throttled");
  expect(kindOf("InternalError", 500)).toBe("unavailable");
  expect(kindOf("ExpiredToken")).toBe("credentials");
  expect(kindOf("UnauthorizedOperation", 403)).toBe("denied");
  expect(kindOf("Resource.AlreadyAssociated")).toBe("conflict");
  expect(kindOf("InvalidAssociationID.NotFound")).toBe("conflict");
  expect(kindOf("IncorrectInstanceState")).toBe("state");
  expect(kindOf("InvalidAllocationID.NotFound")).toBe("not-found");
  expect(kindOf("InvalidParameterValue")).toBe("invalid");
});

it("an error of AWS's own may come after the effect; a refusal never does", () => {
  const meanings = knownCodes.map((code) => ({ code, ...meaningOf(code, 400, "AssociateAddress") }));
  const mayHaveHad = meanings.filter(({ effect }) => effect === "unknown").map(({ code }) => code);
  expect(mayHaveHad.toSorted()).toEqual([
    "InternalError",
    "InternalFailure",
    "RequestTimeout",
    "ServerInternal",
    "ServiceUnavailable",
    "Unavailable",
  ]);
  expect(meanings.filter(({ fix }) => fix.length < 10)).toEqual([]);
});

it("judges a code that it does not know by the status", () => {
  expect(meaningOf("Strange", 502, "A")).toMatchObject({ kind: "unavailable", effect: "unknown" });
  expect(meaningOf("Strange", 429, "A")).toMatchObject({ kind: "throttled", effect: "none" });
  expect(meaningOf("Strange", 403, "A")).toMatchObject({ kind: "denied", effect: "none" });
  expect(meaningOf("Strange", 401, "A")).toMatchObject({ kind: "credentials", effect: "none" });
  expect(meaningOf("Strange", 400, "A")).toMatchObject({ kind: "invalid", effect: "none" });
});

it("a missing permission is named, with a policy that can be pasted", () => {
  const { fix } = meaningOf("UnauthorizedOperation", 403, "DisassociateAddress");
  expect(fix).toContain("ec2:DisassociateAddress");
  expect(fix).toContain(policyFor());
  const policy = JSON.parse(policyFor()) as { Statement: { Action: string[] }[] };
  // R4.3: no more than the guide's policy.
  expect(policy.Statement[0]?.Action).toEqual([
    "ec2:AssociateAddress",
    "ec2:DescribeAddresses",
    "ec2:DescribeInstances",
    "ec2:DisassociateAddress",
  ]);
});
