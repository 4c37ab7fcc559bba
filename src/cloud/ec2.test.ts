import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ec2Error, scriptedAws, type ScriptedAws } from "../../test/support/scripted-aws.ts";
import { isSignedWith, parseAuthorization } from "../hosts/lab/ec2/sigv4.ts";
import type { AwsError } from "./aws-error.ts";
import { WarmCredentials, type Credentials } from "./credentials.ts";
import { Ec2 } from "./ec2.ts";

const quiet = {
  info: () => undefined,
  warn: () => undefined,
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};
const deadlineMs = 15_000;
let aws: ScriptedAws;
let ec2: Ec2;
let issued: number;

const keys = async (): Promise<Credentials> => {
  issued += 1;
  return Promise.resolve({
    accessKeyId: `AKID${issued}`,
    secretAccessKey: "secret",
    sessionToken: `token${issued}`,
  });
};
const client = (endpoint: string): Ec2 =>
  new Ec2({ region: "eu-west-1", endpoint, credentials: new WarmCredentials(keys, quiet) });
const failure = async (promise: Promise<unknown>): Promise<AwsError> =>
  promise.then(
    () => Promise.reject(new Error("it did not fail")),
    (error: unknown) => error as AwsError,
  );

beforeEach(async () => {
  issued = 0;
  aws = await scriptedAws(
    (_call, response) => void response.end("<R><associationId>eipassoc-1</associationId></R>"),
  );
  ec2 = client(aws.url);
});
afterEach(async () => {
  await ec2.close();
  await aws.close();
});

const target = { instanceId: "i-1", networkInterfaceId: null, privateAddress: null };
const associate = (allowReassociation: boolean, more = target, within = deadlineMs) =>
  ec2.associateAddress(
    { allocationId: "eipalloc-1", target: more, allowReassociation },
    { deadlineMs: within },
  );

it("always says whether the address may be taken from its holder", async () => {
  expect(await associate(true)).toBe("eipassoc-1");
  await associate(false);
  expect(aws.calls.map(({ parameters }) => parameters.get("AllowReassociation"))).toEqual(["true", "false"]);
  expect(Object.fromEntries(aws.calls[0]?.parameters ?? [])).toEqual({
    Action: "AssociateAddress",
    Version: "2016-11-15",
    AllocationId: "eipalloc-1",
    InstanceId: "i-1",
    AllowReassociation: "true",
  });
});

it("names an interface instead of the instance, and a private address of it", async () => {
  await associate(true, { ...target, networkInterfaceId: "eni-1", privateAddress: "10.0.0.7" } as never);
  const parameters = aws.calls[0]?.parameters;
  expect(parameters?.get("NetworkInterfaceId")).toBe("eni-1");
  expect(parameters?.get("PrivateIpAddress")).toBe("10.0.0.7");
  expect(parameters?.has("InstanceId")).toBe(false);
});

it("signs, and keeps the secret to itself", async () => {
  await associate(true);
  const headers = aws.calls[0]?.headers;
  expect(headers?.authorization).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AKID1\/\d{8}\/eu-west-1\/ec2\/aws4_request, SignedHeaders=content-length;content-type;host;x-amz-date;x-amz-security-token, Signature=[0-9a-f]{64}$/,
  );
  expect(headers?.["x-amz-security-token"]).toBe("token1");
  expect(JSON.stringify(headers)).not.toContain("secret");
  // The lab's endpoint verifies by AWS's specification, independently of the library that signs.
  const [call] = aws.calls;
  const authorization = parseAuthorization(headers?.authorization ?? "");
  if (call === undefined || authorization === undefined) throw new Error("nothing was signed");
  const { method, path: target, body } = call;
  const request = { method, target, body, headers: call.headers as Record<string, string> };
  expect(isSignedWith("secret", request, authorization)).toBe(true);
  expect(isSignedWith("Secret", request, authorization)).toBe(false);
});

it("keeps its connections", async () => {
  for (let n = 0; n < 20; n++) await associate(true);
  // A second one when the first has its answer but is not idle yet.
  expect(new Set(aws.calls.map(({ connection }) => connection)).size).toBeLessThanOrEqual(2);
  expect(issued).toBe(1);
});

it("makes a call once, also when it fails", async () => {
  aws.script = (_call, response) => void response.writeHead(503).end(ec2Error("RequestLimitExceeded"));
  expect(await failure(associate(true))).toMatchObject({ kind: "throttled", effect: "none" });
  aws.script = (_call, response) => void response.writeHead(500).end(ec2Error("InternalError"));
  expect(await failure(associate(true))).toMatchObject({ kind: "unavailable", effect: "unknown" });
  aws.script = (_call, response) => void response.writeHead(502).end("<html>Bad Gateway");
  expect(await failure(associate(true))).toMatchObject({ code: "HTTP502", effect: "unknown" });
  expect(aws.calls).toHaveLength(3);
});

it("an answer that does not come leaves the outcome unknown; a call that was not sent does not", async () => {
  aws.script = () => undefined;
  expect(await failure(associate(true, target, 100))).toMatchObject({ code: "timeout", effect: "unknown" });
  aws.script = (_call, response) => void response.destroy();
  expect(await failure(associate(true))).toMatchObject({ effect: "unknown" });
  aws.script = (_call, response) => void response.end("<R>cut");
  expect(await failure(associate(true))).toMatchObject({ code: "bad-answer", effect: "unknown" });

  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const away = client(`http://127.0.0.1:${port}`);
  expect(await failure(away.disassociateAddress("eipassoc-1", { deadlineMs }))).toMatchObject({
    code: "ECONNREFUSED",
    effect: "not-sent",
  });
  await away.close();
});

it("a call that hangs does not hold up another", async () => {
  let hanging = 0;
  aws.script = (call, response) => {
    if (call.parameters.get("Action") === "DescribeAddresses") hanging += 1;
    else response.end("<R><associationId>eipassoc-2</associationId></R>");
  };
  const hung = failure(ec2.describeAddress("eipalloc-1", { deadlineMs: 3000 }));
  expect(await associate(true)).toBe("eipassoc-2");
  expect(hanging).toBeLessThanOrEqual(1);
  expect(await hung).toMatchObject({ code: "timeout" });
});

it("after a refusal of the credentials the next call has new ones", async () => {
  aws.script = (_call, response) => void response.writeHead(400).end(ec2Error("ExpiredToken"));
  expect(await failure(associate(true))).toMatchObject({ kind: "credentials", effect: "none" });
  aws.script = (_call, response) => void response.end("<R><associationId>eipassoc-1</associationId></R>");
  await associate(true);
  expect(aws.calls.map(({ headers }) => headers["x-amz-security-token"])).toEqual(["token1", "token2"]);
});

it("learns AWS's time from a refusal of its own", async () => {
  const theirs = Date.now() + 3_600_000;
  aws.script = (_call, response) =>
    void response.writeHead(400, { date: new Date(theirs).toUTCString() }).end(ec2Error("RequestExpired"));
  await failure(associate(true));
  aws.script = (_call, response) => void response.end("<R><associationId>eipassoc-1</associationId></R>");
  await associate(true);
  const text = String(aws.calls[1]?.headers["x-amz-date"]);
  const sent = Date.parse(text.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  expect(Math.abs(sent - theirs)).toBeLessThan(600_000);
});

it("credentials that do not come in time are an error of the credentials, and nothing is sent", async () => {
  const never = new WarmCredentials(async () => new Promise<never>(() => undefined), quiet);
  const stuck = new Ec2({ region: "eu-west-1", endpoint: aws.url, credentials: never });
  expect(await failure(stuck.describeAddress("eipalloc-1", { deadlineMs: 50 }))).toMatchObject({
    kind: "credentials",
    effect: "not-sent",
  });
  expect(aws.calls).toHaveLength(0);
  await stuck.close();
});

it("reads where an address is, and the instances", async () => {
  aws.script = (call, response) =>
    void response.end(
      call.parameters.get("Action") === "DescribeAddresses"
        ? "<R><addressesSet><item><publicIp>203.0.113.9</publicIp><allocationId>eipalloc-1</allocationId><associationId>eipassoc-9</associationId><instanceId>i-2</instanceId><networkInterfaceId>eni-2</networkInterfaceId><privateIpAddress>10.0.0.2</privateIpAddress></item></addressesSet></R>"
        : "<R><reservationSet><item><instancesSet><item><instanceId>i-2</instanceId><instanceState><code>16</code><name>running</name></instanceState><privateDnsName>ip-10-0-0-2.ec2.internal</privateDnsName><privateIpAddress>10.0.0.2</privateIpAddress></item></instancesSet></item></reservationSet></R>",
    );
  expect(await ec2.describeAddress("eipalloc-1", { deadlineMs })).toEqual({
    publicIp: "203.0.113.9",
    associationId: "eipassoc-9",
    instanceId: "i-2",
    networkInterfaceId: "eni-2",
    privateAddress: "10.0.0.2",
  });
  const which = {
    filter: "private-dns-name",
    values: ["ip-10-0-0-2.ec2.internal", "ip-10-0-0-1.ec2.internal"],
  };
  expect(await ec2.describeInstances(which, { deadlineMs })).toEqual([
    {
      instanceId: "i-2",
      state: "running",
      privateAddress: "10.0.0.2",
      privateDnsName: "ip-10-0-0-2.ec2.internal",
    },
  ]);
  expect(aws.calls[1]?.parameters.get("Filter.1.Value.2")).toBe("ip-10-0-0-1.ec2.internal");
});
