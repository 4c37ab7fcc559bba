import { describe, expect, test } from "vitest";
import { backoffMs, classify, NotPrimary, OutcomeUnknown, type Verdict } from "./retry.ts";

const coded = (code: string): Error => Object.assign(new Error("x"), { code });

describe("classify", () => {
  const cases: [string, unknown, Verdict][] = [
    ["connection refused", coded("ECONNREFUSED"), "lost"],
    ["connection reset", coded("ECONNRESET"), "lost"],
    ["admin shutdown", coded("57P01"), "lost"],
    ["crash of another backend", coded("57P02"), "lost"],
    ["starting up", coded("57P03"), "lost"],
    ["read-only: the old primary", coded("25006"), "lost"],
    ["connection_failure", coded("08006"), "lost"],
    ["protocol_violation", coded("08P01"), "lost"],
    ["too many connections", coded("53300"), "lost"],
    ["a replica answered", new NotPrimary("replica"), "lost"],
    ["socket closed under a query", new Error("Connection terminated unexpectedly"), "lost"],
    ["pool's connect timeout", new Error("Connection terminated due to connection timeout"), "lost"],
    [
      "proxy without a server during the TLS request",
      new Error("The server does not support SSL connections"),
      "lost",
    ],
    ["deadlock", coded("40P01"), "again"],
    ["statement timeout", coded("57014"), "again"],
    ["lock timeout", coded("55P03"), "again"],
    ["not yet on the replica", new OutcomeUnknown("x"), "again"],
    ["unique violation", coded("23505"), "fail"],
    ["syntax error", coded("42601"), "fail"],
    ["wrong password", coded("28P01"), "fail"],
    ["untrusted certificate", coded("DEPTH_ZERO_SELF_SIGNED_CERT"), "fail"],
    ["a bug", new TypeError("x is not a function"), "fail"],
    ["not an error", "text", "fail"],
  ];
  test.each(cases)("%s", (_name, error, verdict) => {
    expect(classify(error)).toBe(verdict);
  });
});

describe("backoffMs", () => {
  test("doubles, is capped, and stays within the jitter's bounds", () => {
    expect(backoffMs(0, 0)).toBe(12.5);
    expect(backoffMs(1, 0)).toBe(25);
    expect(backoffMs(50, 0)).toBe(125);
    expect(backoffMs(50, 0.999)).toBeLessThan(250);
  });
});
