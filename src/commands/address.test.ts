import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { recordedIo } from "../../test/support/io.ts";
import { ec2Error, scriptedAws, type ScriptedAws } from "../../test/support/scripted-aws.ts";
import { ExitStatus } from "../lib/errors.ts";
import { run } from "./address.ts";

let directory: string;
let aws: ScriptedAws;
let settings: string;
const metadata = process.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-address-"));
  settings = join(directory, "nginx-ha-notify");
  aws = await scriptedAws(({ method, path, parameters }, response) => {
    if (method === "PUT") return void response.end("session");
    const last = path.split("/").at(-1) ?? "";
    const told: Record<string, string> = {
      "instance-id": "i-1",
      region: "eu-west-1",
      "local-ipv4": "10.0.0.1",
      "local-hostname": "one.internal",
    };
    if (method === "GET") return void response.end(told[last] ?? "");
    switch (parameters.get("Action") ?? "") {
      case "DescribeAddresses":
        return void response.end(
          "<R><addressesSet><item><publicIp>203.0.113.9</publicIp></item></addressesSet></R>",
        );
      case "DescribeInstances":
        return void response.writeHead(503).end(ec2Error("RequestLimitExceeded"));
      case "AssociateAddress":
        return void response.writeHead(412).end(ec2Error("DryRunOperation", "it would have succeeded"));
      default:
        return void response.writeHead(403).end(ec2Error("UnauthorizedOperation", "not authorized"));
    }
  });
  process.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = aws.url;
});
afterEach(async () => {
  if (metadata === undefined) delete process.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"];
  else process.env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = metadata;
  await aws.close();
  await rm(directory, { recursive: true });
});

const fill = async (lines: readonly string[]): Promise<void> =>
  writeFile(settings, ["#!/bin/sh", ...lines, ""].join("\n"));

it("check tries each step, changes nothing, and says what to do about what fails", async () => {
  await fill([
    "export AWS_ACCESS_KEY_ID=AKIA1",
    "export AWS_SECRET_ACCESS_KEY=secret",
    "export AWS_DEFAULT_REGION=eu-west-1",
    "HA_NODE_1=one.internal",
    "HA_NODE_2=two.internal",
    "ALLOCATION_ID=eipalloc-01",
    `export AWS_ENDPOINT_URL_EC2=${aws.url}`,
  ]);
  const io = recordedIo(directory, true);
  expect(await run(["check", "--settings", settings, "--json"], io)).toBe(ExitStatus.error);
  const steps = io.lines.map(
    (line) => JSON.parse(line) as { step: string; ok: boolean; found: string; fix?: string },
  );
  const result = Object.fromEntries(steps.map(({ step, ok }) => [step, ok]));
  expect(result).toMatchObject({
    "metadata service": true,
    credentials: true,
    DescribeAddresses: true,
    AssociateAddress: true,
    DisassociateAddress: false,
    "the other host": false,
  });
  expect(steps.find(({ step }) => step === "DisassociateAddress")?.fix).toContain("ec2:DisassociateAddress");
  const changing = aws.calls.filter(({ parameters }) => /sociate/.test(parameters.get("Action") ?? ""));
  expect(changing.map(({ parameters }) => parameters.get("DryRun"))).toEqual(["true", "true"]);
  expect(io.lines.join("\n")).not.toContain("secret");
});

it("names every setting that is missing", async () => {
  await fill(["ALLOCATION_ID=203.0.113.9"]);
  const checking = run(["check", "--settings", settings], recordedIo(directory));
  await expect(checking).rejects.toThrow(/ALLOCATION_ID.*AWS_DEFAULT_REGION.*HA_NODE_1/);
});

it("prints the policy to paste, and its usage", async () => {
  const io = recordedIo(directory);
  await run(["policy"], io);
  expect(JSON.parse(io.lines.join("\n"))).toMatchObject({ Version: "2012-10-17" });
  await expect(run([], io)).rejects.toMatchObject({ exitStatus: ExitStatus.usage });
  await expect(run(["run"], io)).rejects.toMatchObject({ exitStatus: ExitStatus.usage });
});
