import { describe, expect, test } from "vitest";
import { account, call, entry, eni1, i1 } from "../../../../test/support/ec2.ts";
import { initialState } from "./account.ts";
import type { InstanceConfig } from "./config.ts";
import { answerMetadata, type MetadataContext } from "./metadata.ts";

const [first, second] = account.instances as [InstanceConfig, InstanceConfig];
const context: MetadataContext = {
  config: account,
  state: initialState(account),
  instance: first,
  seed: "seed",
  now: 1_700_000_000_000,
};

const put = (headers: Record<string, string>, on = context) =>
  answerMetadata(on, { method: "PUT", path: "/latest/api/token", headers });
const token = (on = context): string => put({ "x-aws-ec2-metadata-token-ttl-seconds": "60" }, on).body;
const get = (path: string, on = context, given = token(on)) =>
  answerMetadata(on, { method: "GET", path, headers: { "x-aws-ec2-metadata-token": given } });

describe("tokens", () => {
  test("are needed: version 1 is refused", () => {
    const request = { method: "GET", path: "/latest/meta-data/instance-id", headers: {} };
    expect(answerMetadata(context, request).status).toBe(401);
  });

  test("last as long as was asked for", () => {
    const given = token();
    const at = (seconds: number) =>
      get("/latest/meta-data/instance-id", { ...context, now: context.now + seconds * 1000 }, given);
    expect(at(59)).toMatchObject({ status: 200, headers: { "x-aws-ec2-metadata-token-ttl-seconds": "1" } });
    expect(at(60).status).toBe(401);
  });

  test("are good on the instance that asked for them, and when nobody has changed them", () => {
    const given = token();
    expect(get("/latest/meta-data/", { ...context, instance: second }, given).status).toBe(401);
    expect(get("/latest/meta-data/", context, given.slice(0, -4)).status).toBe(401);
  });

  test.each([
    [400, {}],
    [400, { "x-aws-ec2-metadata-token-ttl-seconds": "0" }],
    [400, { "x-aws-ec2-metadata-token-ttl-seconds": "21601" }],
    [403, { "x-aws-ec2-metadata-token-ttl-seconds": "60", "x-forwarded-for": "10.0.0.1" }],
    [200, { "x-aws-ec2-metadata-token-ttl-seconds": "21600" }],
  ])("%i for %j", (status, headers) => {
    expect(put(headers as Record<string, string>).status).toBe(status);
  });
});

describe("data", () => {
  const mac = first.interfaces[0]?.mac ?? "";

  test.each([
    ["/latest/meta-data/instance-id", i1],
    ["/latest/meta-data/local-ipv4", "10.9.1.11"],
    ["/latest/meta-data/mac", mac],
    ["/latest/meta-data/placement/region", "eu-west-1"],
    ["/latest/meta-data/public-ipv4", "203.0.113.10"],
    ["/latest/meta-data/network/interfaces/macs/", `${mac}/`],
    [`/latest/meta-data/network/interfaces/macs/${mac}/interface-id`, eni1],
    ["/latest/meta-data/iam/security-credentials/", "t"],
  ])("%s", (path, body) => {
    expect(get(path)).toMatchObject({ status: 200, body });
  });

  test.each(["/latest/meta-data/nothing", "/latest/meta-data/instance-id/x", "/latest/meta-data/toString"])(
    "404 for %s",
    (path) => {
      expect(get(path).status).toBe(404);
    },
  );

  test("follows the account", () => {
    const { state } = call("AssociateAddress", { AllocationId: entry, InstanceId: i1 });
    const on = { ...context, state };
    expect(get("/latest/meta-data/public-ipv4", on).body).toBe("198.51.100.10");
    expect(get(`/latest/meta-data/network/interfaces/macs/${mac}/public-ipv4s`, on).body).toBe(
      "198.51.100.10",
    );
  });

  test("the identity document", () => {
    const { body } = get("/latest/dynamic/instance-identity/document");
    expect(JSON.parse(body)).toMatchObject({ instanceId: i1, region: "eu-west-1", privateIp: "10.9.1.11" });
  });

  test("role credentials; none without a role", () => {
    const { body } = get("/latest/meta-data/iam/security-credentials/t");
    expect(JSON.parse(body)).toMatchObject({
      Code: "Success",
      AccessKeyId: expect.stringMatching(/^ASIA[A-Z2-7]{16}$/),
    });
    const { role: _, ...without } = first;
    expect(get("/latest/meta-data/iam/security-credentials/", { ...context, instance: without }).status).toBe(
      404,
    );
  });
});
