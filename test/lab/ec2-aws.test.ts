/** The lab's EC2 endpoint as AWS's own clients see it, and beside moto, another double of EC2. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { exec, execOk } from "../../src/lib/exec.ts";
import { poll } from "../../src/lib/retry.ts";
import { allocationId, apiAddress, apiUrl, instanceId } from "../../src/hosts/lab/ec2/identifiers.ts";
import * as names from "../../src/hosts/lab/names.ts";
import { type Ec2Lab, makeEc2Lab } from "../support/ec2-lab.ts";
import { awsPython } from "../support/python.ts";
import { root } from "../support/service.ts";

const bin = await awsPython();
/** Answers to these calls are compared; the names in braces stand for ids (boto_calls.py). */
const calls: readonly [label: string, operation: string, parameters: object][] = [
  ["an address on nobody", "describe_addresses", { AllocationIds: ["{entry}"] }],
  ["associate", "associate_address", { AllocationId: "{entry}", InstanceId: "{i1}" }],
  ["its owner", "describe_addresses", { AllocationIds: ["{entry}"] }],
  ["owner's interface", "describe_network_interfaces", { NetworkInterfaceIds: ["{eni1}"] }],
  ["by DNS name", "describe_instances", { Filters: [{ Name: "private-dns-name", Values: ["{dns1}"] }] }],
  ["status", "describe_instance_status", { InstanceIds: ["{i1}"] }],
  ["take it without saying so", "associate_address", { AllocationId: "{entry}", InstanceId: "{i2}" }],
  [
    "take it",
    "associate_address",
    { AllocationId: "{entry}", NetworkInterfaceId: "{eni1}", AllowReassociation: true },
  ],
  [
    "take it when that is forbidden",
    "associate_address",
    { AllocationId: "{entry}", NetworkInterfaceId: "{eni2}", AllowReassociation: false },
  ],
  [
    "where it is already",
    "associate_address",
    { AllocationId: "{entry}", NetworkInterfaceId: "{eni1}", AllowReassociation: false },
  ],
  [
    "a second one on the target",
    "associate_address",
    { AllocationId: "{other}", NetworkInterfaceId: "{eni1}" },
  ],
  ["both", "describe_addresses", { AllocationIds: ["{entry}", "{other}"] }],
  ["disassociate", "disassociate_address", { AssociationId: "{association}" }],
  ["disassociate again", "disassociate_address", { AssociationId: "{association}" }],
  [
    "no such allocation",
    "associate_address",
    { AllocationId: "eipalloc-00000000000000000", InstanceId: "{i1}" },
  ],
  ["no such instance", "associate_address", { AllocationId: "{entry}", InstanceId: "i-00000000000000000" }],
  [
    "no such interface",
    "associate_address",
    { AllocationId: "{entry}", NetworkInterfaceId: "eni-00000000000000000" },
  ],
  ["no target", "associate_address", { AllocationId: "{entry}" }],
  ["dry run", "associate_address", { AllocationId: "{entry}", InstanceId: "{i1}", DryRun: true }],
  ["dry run of a question", "describe_addresses", { DryRun: true }],
  ["no such address", "describe_addresses", { PublicIps: ["192.0.2.9"] }],
  ["unknown allocation", "describe_addresses", { AllocationIds: ["eipalloc-00000000000000000"] }],
  ["unknown instance", "describe_instances", { InstanceIds: ["i-00000000000000000"] }],
  ["unknown filter", "describe_instances", { Filters: [{ Name: "colour", Values: ["red"] }] }],
  [
    "secondary address",
    "assign_private_ip_addresses",
    { NetworkInterfaceId: "{eni1}", PrivateIpAddresses: ["{free}"] },
  ],
  [
    "secondary address of another",
    "assign_private_ip_addresses",
    { NetworkInterfaceId: "{eni2}", PrivateIpAddresses: ["{free}"] },
  ],
  [
    "secondary address away",
    "unassign_private_ip_addresses",
    { NetworkInterfaceId: "{eni1}", PrivateIpAddresses: ["{free}"] },
  ],
  ["IPv6", "assign_ipv6_addresses", { NetworkInterfaceId: "{eni1}", Ipv6Addresses: ["fd00::5"] }],
  ["IPv6 away", "unassign_ipv6_addresses", { NetworkInterfaceId: "{eni1}", Ipv6Addresses: ["fd00::5"] }],
];

const onFirst = {
  NetworkInterfaceId: "{eni1}",
  NetworkInterfaceOwnerId: "123456789012",
  PrivateIpAddress: "{private1}",
};
const entryAddress = { AllocationId: "{entry}", Domain: "vpc", PublicIp: "{entryIp}" };
const otherAddress = {
  ...onFirst,
  AllocationId: "{other}",
  Domain: "vpc",
  PublicIp: "{otherIp}",
  AssociationId: "{association}",
};
const assigned = (networkInterface: string, ...addresses: string[]) => ({
  NetworkInterfaceId: networkInterface,
  AssignedPrivateIpAddresses: addresses.map((PrivateIpAddress) => ({ PrivateIpAddress })),
});

/** Where moto differs from AWS's documentation, which decides (docs/ec2-endpoint.md). */
const differences: Readonly<Record<string, { ours: unknown; moto: unknown }>> = {
  "take it without saying so": {
    ours: { AssociationId: "{association}" },
    moto: "Resource.AlreadyAssociated",
  },
  // Idempotent: the association stays as it is.
  "where it is already": {
    ours: { AssociationId: "{previous}" },
    moto: { AssociationId: "{association}" },
  },
  // A private address has one Elastic IP; moto leaves the first one there, and names no instance.
  both: {
    ours: { Addresses: [entryAddress, { ...otherAddress, InstanceId: "{i1}" }] },
    moto: { Addresses: [{ ...entryAddress, ...onFirst, AssociationId: "{previous}" }, otherAddress] },
  },
  "unknown filter": { ours: "InvalidParameterValue", moto: "not XML" },
  // What was assigned; moto tells what is there.
  "secondary address": {
    ours: assigned("{eni1}", "{free}"),
    moto: assigned("{eni1}", "{private1}", "{free}"),
  },
  // Without AllowReassignment; moto gives one address to two interfaces.
  "secondary address of another": {
    ours: "InvalidParameterValue",
    moto: assigned("{eni2}", "{private2}", "{free}"),
  },
};

/** What both tell of a thing; everything else belongs to one of them. */
const compared = new Set(
  "Addresses AllocationId AssociationId Domain NetworkInterfaceId NetworkInterfaceOwnerId PrivateIpAddress PublicIp InstanceId Reservations Instances InstanceStatuses InstanceState InstanceStatus SystemStatus State Status Code Name Details NetworkInterfaces Association Attachment DeviceIndex InstanceOwnerId OwnerId SourceDestCheck AssignedPrivateIpAddresses AssignedIpv6Addresses UnassignedIpv6Addresses".split(
    " ",
  ),
);

let lab: Ec2Lab;
let env: NodeJS.ProcessEnv = {};
beforeAll(async () => {
  lab = await makeEc2Lab();
  // No configuration of whoever runs the tests: credentials come from the metadata service.
  env = { PATH: process.env["PATH"], HOME: lab.home, AWS_DEFAULT_REGION: "eu-west-1", AWS_MAX_ATTEMPTS: "1" };
});
afterAll(async () => lab?.destroy());
beforeEach(({ skip }) => skip(bin === undefined, "not run: no moto and no aws CLI (PyPI cannot be reached)"));

const inM1 = (): string[] => [
  "nsenter",
  `--net=${names.namespacePath(names.machineNamespace(lab.name, "m1"))}`,
  "--",
];

/** The aws CLI on the first machine. @returns its JSON, or AWS's code of the error that it printed */
async function aws(args: readonly string[], extra: NodeJS.ProcessEnv = {}, url = apiUrl): Promise<unknown> {
  const argv = [...inM1(), join(bin ?? "", "aws"), "--endpoint-url", url, "--output", "json", "ec2", ...args];
  const { code, stdout, stderr } = await exec(argv, { env: { ...env, ...extra }, timeoutMs: 120_000 });
  if (code === 0) return stdout === "" ? {} : JSON.parse(stdout);
  return /An error occurred \(([\w.]+)\)/.exec(stderr)?.[1] ?? stderr;
}

async function botoCalls(endpoint: string, ids: object, prefix: readonly string[], extra: NodeJS.ProcessEnv) {
  const argv = [...prefix, join(bin ?? "", "python"), join(root, "test/support/boto_calls.py")];
  const make = Object.keys(ids).length === 0;
  const stdin = JSON.stringify({ endpoint, ids, make, calls });
  const text = await execOk(argv, "boto3", { stdin, env: { ...env, ...extra }, timeoutMs: 120_000 });
  return JSON.parse(text) as Record<string, unknown>;
}

function told(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(told);
  if (typeof value !== "object" || value === null) return value;
  // moto tells what is not there as an empty text.
  const kept = Object.entries(value).filter(([key, field]) => compared.has(key) && field !== "");
  return Object.fromEntries(kept.map(([key, field]) => [key, told(field)]));
}

test("the aws CLI: role credentials by itself, an address moved, errors by their codes", async () => {
  const [i1, i2] = [instanceId(lab.name, "m1"), instanceId(lab.name, "m2")];
  const entry = allocationId(lab.name, "entry");
  const on = (instance: string) => ["associate-address", "--allocation-id", entry, "--instance-id", instance];
  expect(await aws(on(i1))).toMatchObject({ AssociationId: expect.stringMatching(/^eipassoc-/) });
  expect(await aws([...on(i2), "--no-allow-reassociation"])).toBe("Resource.AlreadyAssociated");
  expect(await aws([...on(i2), "--allow-reassociation"])).toMatchObject({
    AssociationId: expect.any(String),
  });
  const described = await aws(["describe-addresses", "--filters", `Name=instance-id,Values=${i2}`]);
  expect(described).toMatchObject({ Addresses: [{ AllocationId: entry, InstanceId: i2 }] });
  const wrong = { AWS_ACCESS_KEY_ID: "AKIATEST", AWS_SECRET_ACCESS_KEY: "guess" };
  expect(await aws(["describe-addresses"], wrong)).toBe("AuthFailure");
  await lab.control.change({ throttle: { perSecond: 0, burst: 1 } });
  await aws(["describe-addresses"]);
  expect(await aws(["describe-addresses"])).toBe("RequestLimitExceeded");
  await lab.control.change({ throttle: null });
});

test("a role without a permission: which one is missing", async () => {
  const roles = [{ name: lab.name, actions: ["ec2:Describe*"] }];
  await lab.create({ roles });
  const entry = allocationId(lab.name, "entry");
  const move = ["associate-address", "--allocation-id", entry, "--instance-id", instanceId(lab.name, "m1")];
  expect(await aws(move)).toBe("UnauthorizedOperation");
  expect(await aws([...move, "--dry-run"])).toBe("UnauthorizedOperation");
  expect(await aws(["describe-addresses"])).toMatchObject({ Addresses: expect.any(Array) });
  await lab.create();
});

test("by HTTPS, with a certificate", async () => {
  const [certificate, key] = [join(lab.home, "cert.pem"), join(lab.home, "key.pem")];
  const subject = ["-subj", "/CN=ec2", "-addext", `subjectAltName=IP:${apiAddress}`, "-days", "1"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const files = ["-keyout", key, "-out", certificate];
  await execOk(["openssl", "req", "-x509", ...curve, ...files, ...subject], "making a certificate");
  await lab.create({ tls: { certificate, key } });
  const url = `https://${apiAddress}`;
  const answer = await aws(["describe-addresses"], { AWS_CA_BUNDLE: certificate }, url);
  expect(answer).toMatchObject({ Addresses: expect.any(Array) });
  await lab.create();
});

test("the same calls have the same answers as moto's, but for what is written down", async () => {
  const moto = await startMoto();
  try {
    const credentials = { AWS_ACCESS_KEY_ID: "x", AWS_SECRET_ACCESS_KEY: "x" };
    const theirs = await botoCalls(moto.url, {}, [], credentials);
    const [entry, other] = [allocationId(lab.name, "entry"), allocationId(lab.name, "other")];
    for (const AssociationId of Object.values((await lab.control.state()).associations).map(({ id }) => id)) {
      expect(await lab.m1.api("DisassociateAddress", { AssociationId })).toMatch(/^200 /);
    }
    const ours = await botoCalls(apiUrl, { entry, other, i1: instanceId(lab.name, "m1") }, inM1(), {});
    const compare = (label: string) => ({ ours: told(ours[label]), moto: told(theirs[label]) });
    const differing = calls
      .map(([label]) => label)
      .filter((label) => !isDeepStrictEqual(compare(label).ours, compare(label).moto));
    expect(Object.fromEntries(differing.map((label) => [label, compare(label)]))).toEqual(differences);
  } finally {
    await moto.end();
  }
});

async function startMoto(): Promise<{ url: string; end: () => Promise<void> }> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child: ChildProcess = spawn(join(bin ?? "", "moto_server"), ["-H", "127.0.0.1", "-p", String(port)], {
    stdio: "ignore",
  });
  const closed = once(child, "close");
  const end = async (): Promise<void> => {
    child.kill("SIGKILL");
    await closed;
  };
  try {
    await poll(async () => (await fetch(url)).ok, { deadlineMs: 120_000, what: "moto" });
    return { url, end };
  } catch (error) {
    await end();
    throw error;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
