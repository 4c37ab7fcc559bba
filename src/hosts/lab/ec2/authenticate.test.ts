import { describe, expect, test } from "vitest";
import { account, codeOf, region, signed, type SigningKey } from "../../../../test/support/ec2.ts";
import { authenticate } from "./authenticate.ts";
import type { InstanceConfig } from "./config.ts";
import { roleCredentials } from "./credentials.ts";

const now = Date.UTC(2026, 0, 1);
const key: SigningKey = { id: "AKIATEST", secret: "secret" };
const parameters = { Action: "DescribeAddresses" };
const code = (request: ReturnType<typeof signed>, at = now) =>
  codeOf(() => authenticate(account, "seed", request, at));
const first = account.instances[0] as InstanceConfig;

/** As an instance gets them from the metadata service. */
function role(at: number, seed = "seed"): SigningKey {
  const credentials = roleCredentials(account, seed, first, at);
  if (credentials === undefined) throw new Error("no role");
  return { id: credentials.accessKeyId, secret: credentials.secret, token: credentials.token };
}

describe("access keys", () => {
  test("who it is", () => {
    expect(authenticate(account, "seed", signed(parameters, key, now), now).arn).toContain("user/AKIATEST");
  });

  test.each([
    ["unknown key", { ...key, id: "AKIAOTHER" }],
    ["wrong secret", { ...key, secret: "guess" }],
    ["token that belongs to nothing", { ...key, token: "x" }],
  ])("AuthFailure: %s", (_, wrong) => {
    expect(code(signed(parameters, wrong, now))).toBe("AuthFailure");
  });

  test("AuthFailure: what was signed is not what came", () => {
    const request = signed(parameters, key, now);
    expect(code({ ...request, body: Buffer.from("Action=DisassociateAddress") })).toBe("AuthFailure");
    const { host: _, ...headers } = request.headers;
    expect(code({ ...request, headers: { ...headers, host: "elsewhere" } })).toBe("AuthFailure");
    const scoped = request.headers["authorization"]?.replace(region, "us-east-1") ?? "";
    expect(code({ ...request, headers: { ...request.headers, authorization: scoped } })).toBe("AuthFailure");
  });

  test.each([
    ["MissingParameter", undefined],
    ["IncompleteSignature", "AWS4-HMAC-SHA256 Credential=x"],
  ])("%s: Authorization %s", (expected, authorization) => {
    const request = signed(parameters, key, now);
    const { authorization: _, ...headers } = request.headers;
    const changed = authorization === undefined ? headers : { ...headers, authorization };
    expect(code({ ...request, headers: changed })).toBe(expected);
  });

  test.each([
    [0, "ok"],
    [299_000, "ok"],
    [-299_000, "ok"],
    [301_000, "RequestExpired"],
    [-301_000, "RequestExpired"],
  ])("a clock that is %i ms off: %s", (skew, expected) => {
    expect(code(signed(parameters, key, now - skew))).toBe(expected);
  });
});

describe("role credentials", () => {
  const { lifetimeMs, renewBeforeMs } = account.credentials;
  const period = lifetimeMs - renewBeforeMs;
  const start = Math.floor(now / period) * period;

  test("new ones in time, while the old are still good; RequestExpired when they have ended", () => {
    const old = role(start);
    expect(role(start + period - 1)).toEqual(old);
    expect(role(start + period).id).not.toBe(old.id);
    const at = (time: number) => code(signed(parameters, old, time), time);
    expect(at(start + lifetimeMs - 1000)).toBe("ok");
    expect(at(start + lifetimeMs)).toBe("RequestExpired");
  });

  test("AuthFailure without their token, with another one, or from another endpoint", () => {
    const { token: _, ...without } = role(now);
    expect(code(signed(parameters, without, now))).toBe("AuthFailure");
    expect(code(signed(parameters, { ...without, token: "x" }, now))).toBe("AuthFailure");
    expect(code(signed(parameters, role(now, "other seed"), now))).toBe("AuthFailure");
  });
});
