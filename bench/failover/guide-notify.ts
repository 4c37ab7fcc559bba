/**
 * What the guide's nginx-ha-notify does on a transition, call by call, written anew: who am I, who is the
 * other, where is the address (asked twice), then away from where it is and to whom it should be. Every
 * call is a program's of its own there, so here each has a new connection and new credentials; the second
 * or so that each of those programs takes to start is left out, in the guide's favour.
 *
 * `guide-notify TYPE NAME STATE`, by keepalived; the settings are in the environment.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { credentialSource, WarmCredentials } from "../../src/cloud/credentials.ts";
import { Ec2 } from "../../src/cloud/ec2.ts";
import { Imds } from "../../src/cloud/imds.ts";
import type { Reporter } from "../../src/ports.ts";

const [, , state = ""] = process.argv.slice(2);
const setting = (name: string): string => process.env[name] ?? "";
const region = setting("AWS_DEFAULT_REGION");
const silent: Reporter = {
  info: () => undefined,
  warn: () => undefined,
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};
const options = { deadlineMs: 60_000 };

/** One call as a program of its own makes it. */
async function call<T>(make: (ec2: Ec2) => Promise<T>): Promise<T> {
  const imds = new Imds();
  const credentials = new WarmCredentials(credentialSource({}, region, imds), silent);
  const ec2 = new Ec2({ region, endpoint: setting("ENDPOINT"), credentials });
  try {
    return await make(ec2);
  } finally {
    await Promise.all([ec2.close(), imds.close()]);
  }
}

async function metadata(path: string): Promise<string> {
  const imds = new Imds();
  const answer = await imds.get(path);
  await imds.close();
  return answer;
}

const allocationId = setting("ALLOCATION_ID");
const self = await metadata("local-hostname");
const other = self === setting("HA_NODE_1") ? setting("HA_NODE_2") : setting("HA_NODE_1");
const instanceId = await metadata("instance-id");
const [found] = await call(async (ec2) =>
  ec2.describeInstances({ filter: "private-dns-name", values: [other] }, options),
);
const { associationId } = await call(async (ec2) => ec2.describeAddress(allocationId, options));
const { instanceId: holder } = await call(async (ec2) => ec2.describeAddress(allocationId, options));

async function give(target: string): Promise<void> {
  // A failed call does not end the guide's script either.
  await call(async (ec2) => ec2.disassociateAddress(associationId ?? "", options)).catch(() => undefined);
  const request = {
    allocationId,
    target: { instanceId: target, networkInterfaceId: null, privateAddress: null },
    // The command line's default for an address of a VPC.
    allowReassociation: true,
  };
  await call(async (ec2) => ec2.associateAddress(request, options)).catch(() => undefined);
}

if (state === "MASTER") {
  await give(instanceId);
  execFileSync("systemctl", ["start", "nginx.service"]);
} else if (instanceId === holder) await give(found?.instanceId ?? "");
writeFileSync("/var/run/nginx-ha-keepalived.state", `STATE=${state}\n`);
