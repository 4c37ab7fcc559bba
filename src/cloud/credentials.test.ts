import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { scriptedAws, type ScriptedAws } from "../../test/support/scripted-aws.ts";
import { poll } from "../lib/retry.ts";
import { credentialSource, WarmCredentials, type Credentials } from "./credentials.ts";
import { Imds } from "./imds.ts";

const warnings: string[] = [];
const reporter = {
  info: () => undefined,
  warn: (message: string) => void warnings.push(message),
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};

let aws: ScriptedAws;
let imds: Imds;
let session: number;
let expiration: string;

beforeEach(async () => {
  warnings.length = 0;
  session = 0;
  expiration = "2099-01-01T00:00:00Z";
  aws = await scriptedAws(({ method, path, headers }, response) => {
    if (method === "PUT") return void response.end(`session-${++session}`);
    // Version 1, without a session, is off; so is a session of before a restart.
    if (headers["x-aws-ec2-metadata-token"] !== `session-${session}`)
      return void response.writeHead(401).end();
    const role = "/latest/meta-data/iam/security-credentials/";
    if (path === role) return void response.end("entry-role");
    if (path === `${role}entry-role`) {
      const keys = {
        AccessKeyId: "ASIA1",
        SecretAccessKey: "s",
        Token: `t${session}`,
        Expiration: expiration,
      };
      return void response.end(JSON.stringify({ Code: "Success", ...keys }));
    }
    return void response.writeHead(404).end();
  });
  imds = new Imds(aws.url);
});
afterEach(async () => {
  await imds.close();
  await aws.close();
});

it("asks the metadata service with a session only, and renews a session that is refused", async () => {
  const source = credentialSource({}, "eu-west-1", imds);
  const expected = { accessKeyId: "ASIA1", secretAccessKey: "s", expiresAt: Date.parse(expiration) };
  expect(await source()).toEqual({ ...expected, sessionToken: "t1" });
  expect(await source()).toEqual({ ...expected, sessionToken: "t1" });
  expect(aws.calls.filter(({ method }) => method === "PUT")).toHaveLength(1);
  session += 1; // the service forgot it
  expect(await source()).toEqual({ ...expected, sessionToken: "t3" });
  expect(
    aws.calls.every(({ method, headers }) => method === "PUT" || "x-aws-ec2-metadata-token" in headers),
  ).toBe(true);
});

it("without version 2 nothing is asked in another way", async () => {
  aws.script = ({ method }, response) => void response.writeHead(method === "PUT" ? 403 : 200).end("leaked");
  await expect(imds.get("instance-id")).rejects.toThrow("HTTP 403");
  expect(aws.calls.map(({ method }) => method)).toEqual(["PUT"]);
});

it("an instance without a role is told what to do", async () => {
  aws.script = ({ method, path }, response) =>
    void response.writeHead(method === "PUT" || !path.includes("iam/") ? 200 : 404).end("x");
  await expect(imds.credentials()).rejects.toThrow("HTTP 404");
});

it("keys of the environment come first, then a web identity", async () => {
  const keys = { AWS_ACCESS_KEY_ID: "AKIA1", AWS_SECRET_ACCESS_KEY: "secret" };
  const identity = { AWS_ROLE_ARN: "arn:aws:iam::1:role/r", AWS_WEB_IDENTITY_TOKEN_FILE: "/nonexistent" };
  expect(await credentialSource({ ...keys, ...identity }, "eu-west-1", imds)()).toEqual({
    accessKeyId: "AKIA1",
    secretAccessKey: "secret",
  });
  await expect(credentialSource(identity, "eu-west-1", imds)()).rejects.toThrow(/web identity token/);
  expect(aws.calls).toHaveLength(0);
});

it("exchanges a web identity token that is read anew each time", async () => {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-identity-"));
  const file = join(directory, "token");
  aws.script = ({ parameters }, response) =>
    void response.end(
      `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIA2</AccessKeyId><SecretAccessKey>s2</SecretAccessKey><SessionToken>${parameters.get("WebIdentityToken")}</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
    );
  const environment = {
    AWS_ROLE_ARN: "arn:aws:iam::1:role/r",
    AWS_WEB_IDENTITY_TOKEN_FILE: file,
    AWS_ENDPOINT_URL_STS: aws.url,
  };
  try {
    const source = credentialSource(environment, "eu-west-1", imds);
    for (const token of ["first", "second"]) {
      await writeFile(file, `${token}\n`);
      expect(await source()).toMatchObject({ accessKeyId: "ASIA2", sessionToken: token });
    }
    expect(aws.calls[0]?.headers.authorization).toBeUndefined();
    aws.script = (_call, response) =>
      void response
        .writeHead(400)
        .end(
          "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>old</Message></Error></ErrorResponse>",
        );
    await expect(source()).rejects.toMatchObject({ kind: "credentials", code: "ExpiredTokenException" });
  } finally {
    await rm(directory, { recursive: true });
  }
});

it("refreshes ahead without making anybody wait, and lives on the old ones when that fails", async () => {
  let asked = 0;
  const soon = (): Credentials => ({
    accessKeyId: `A${asked}`,
    secretAccessKey: "s",
    expiresAt: Date.now() + 60_000,
  });
  let answer = async (): Promise<Credentials> => Promise.resolve(soon());
  const warm = new WarmCredentials(async () => {
    asked += 1;
    return answer();
  }, reporter);
  // In this process a refresh was tried "just now" only after the first one.
  expect((await warm.get()).accessKeyId).toBe("A1");
  answer = async () => Promise.reject(new Error("metadata is away"));
  expect((await warm.get()).accessKeyId).toBe("A1");
  warm.invalidate(await warm.get());
  await expect(warm.get()).rejects.toThrow("metadata is away");
  answer = async () => Promise.resolve(soon());
  expect((await warm.get()).accessKeyId).toMatch(/^A[3-9]/);
});

it("many callers make one refresh", async () => {
  let asked = 0;
  const warm = new WarmCredentials(async () => {
    asked += 1;
    await poll(() => true, { deadlineMs: 1000, what: "a turn" });
    return { accessKeyId: "A", secretAccessKey: "s" };
  }, reporter);
  await Promise.all(Array.from({ length: 20 }, async () => warm.get()));
  expect(asked).toBe(1);
});
