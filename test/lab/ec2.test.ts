/** The lab's EC2 endpoint with real packets: processes in the lab's namespaces stand for its machines. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { poll } from "../../src/lib/retry.ts";
import { createLab, openLab } from "../../src/hosts/lab/lab.ts";
import { ec2Directory, Ec2Control } from "../../src/hosts/lab/ec2/control.ts";
import {
  allocationId,
  apiUrl,
  clientPublicAddress,
  instanceId,
} from "../../src/hosts/lab/ec2/identifiers.ts";
import { findLeftovers } from "../../src/hosts/lab/leftovers.ts";
import { isAlive, type ProcessId, signal } from "../../src/hosts/lab/processes.ts";
import { accountInput } from "../support/ec2.ts";
import { type Ec2Lab, makeEc2Lab, type Peer, self } from "../support/ec2-lab.ts";
import { home, must, randomName, testLabSpec, testReporter } from "../support/lab.ts";

const elasticIp = "198.51.100.10";
const metadata = "http://169.254.169.254/latest";
let lab: Ec2Lab;
let ids = { m1: "", m2: "", entry: "" };

beforeAll(async () => {
  lab = await makeEc2Lab();
  const id = (machine: string) => instanceId(lab.name, machine);
  ids = { m1: id("m1"), m2: id("m2"), entry: allocationId(lab.name, "entry") };
});
afterAll(async () => lab?.destroy());
beforeEach(async () => lab.control.change({ propagationMs: 0, cut: [], metadataCut: [], faults: [] }));

async function associate(machine: "m1" | "m2"): Promise<void> {
  const answer = await lab.m1.api("AssociateAddress", { AllocationId: ids.entry, InstanceId: ids[machine] });
  expect(answer).toMatch(/^200 /);
}

/** Waits until packets have followed: EC2 says yes before they do. */
async function servedBy(machine: "m1" | "m2"): Promise<void> {
  await poll(
    async () => (await lab.client.ask({ do: "tcp", address: elasticIp })).startsWith(`${machine} `),
    {
      deadlineMs: 30_000,
      what: `${elasticIp} to be served by ${machine}`,
    },
  );
}

async function token(peer: Peer): Promise<Record<string, string>> {
  const ttl = { "x-aws-ec2-metadata-token-ttl-seconds": "60" };
  const answer = await peer.http(`${metadata}/api/token`, ttl, "PUT");
  return { "x-aws-ec2-metadata-token": answer.replace(/^200 /, "") };
}

async function endpointProcess(): Promise<ProcessId> {
  const text = await readFile(join(ec2Directory(lab.home, lab.name), "process.json"), "utf8");
  return (JSON.parse(text) as { process: ProcessId }).process;
}

describe("metadata service", () => {
  test("tells each machine about itself, with a token of its own", async () => {
    const [first, second] = [await token(lab.m1), await token(lab.m2)];
    expect(await lab.m1.http(`${metadata}/meta-data/instance-id`, first)).toBe(`200 ${ids.m1}`);
    expect(await lab.m2.http(`${metadata}/meta-data/instance-id`, second)).toBe(`200 ${ids.m2}`);
    expect(await lab.m2.http(`${metadata}/meta-data/instance-id`, first)).toMatch(/^401 /);
    expect(await lab.m1.http(`${metadata}/meta-data/instance-id`)).toMatch(/^401 /);
    expect(await lab.client.http(`${metadata}/meta-data/instance-id`, first)).toMatch(/^404 /);
  });

  test("its credentials are good for the API, with their token only", async () => {
    const answer = await lab.m1.http(
      `${metadata}/meta-data/iam/security-credentials/${lab.name}`,
      await token(lab.m1),
    );
    const {
      AccessKeyId: id,
      SecretAccessKey: secret,
      Token,
    } = JSON.parse(answer.slice(4)) as Record<string, string>;
    const key = { id: id ?? "", secret: secret ?? "" };
    expect(await lab.m1.api("DescribeAddresses", {}, { ...key, token: Token })).toContain(elasticIp);
    expect(await lab.m1.api("DescribeAddresses", {}, key)).toMatch(/^401 .*AuthFailure/s);
  });
});

describe("Elastic IP", () => {
  test("clients reach its owner by TCP and UDP, and are seen as themselves", async () => {
    await associate("m1");
    await servedBy("m1");
    expect(await lab.client.ask({ do: "tcp", address: elasticIp })).toBe(`m1 ${clientPublicAddress}`);
    expect(await lab.client.ask({ do: "udp", address: elasticIp, port: 7000 })).toBe(
      `m1 ${clientPublicAddress}`,
    );
  });

  test("a closed port is refused at once: ICMP errors find their way back", async () => {
    await associate("m1");
    await servedBy("m1");
    expect(await lab.client.ask({ do: "udp", address: elasticIp, port: 7001 })).toBe("ECONNREFUSED");
    expect(await lab.m2.ask({ do: "udp", address: elasticIp, port: 7001 })).toBe("ECONNREFUSED");
  });

  test("its owner and the other machine reach it too, by their public addresses", async () => {
    await associate("m1");
    await servedBy("m1");
    expect(await lab.m2.ask({ do: "tcp", address: elasticIp })).toBe("m1 203.0.113.11");
    expect(await lab.m1.ask({ do: "tcp", address: elasticIp })).toBe(`m1 ${elasticIp}`);
  });

  test("after a move nothing sticks to the old owner: not a connection, not a UDP flow", async () => {
    await associate("m1");
    await servedBy("m1");
    expect(await lab.client.ask({ do: "hold", address: elasticIp })).toMatch(/^m1 /);
    expect(await lab.client.ask({ do: "udp", address: elasticIp, port: 7000 })).toMatch(/^m1 /);
    await associate("m2");
    await servedBy("m2");
    expect(await lab.client.ask({ do: "udp", address: elasticIp, port: 7000 })).toMatch(/^m2 /);
    expect(await lab.client.ask({ do: "send" })).toBe("ECONNRESET");
  });

  test("disassociated it is on nobody", async () => {
    await associate("m1");
    const { associations } = await lab.control.state();
    const AssociationId = associations[ids.entry]?.id ?? "";
    expect(await lab.m2.api("DisassociateAddress", { AssociationId })).toMatch(/^200 /);
    await poll(async () => (await lab.client.ask({ do: "tcp", address: elasticIp })) === "timeout", {
      deadlineMs: 30_000,
      what: "the address to be gone",
    });
    expect(await lab.m2.api("DisassociateAddress", { AssociationId })).toMatch(
      /^400 .*InvalidAssociationID.NotFound/s,
    );
  });

  test("packets follow EC2's yes after the propagation time, not before", async () => {
    await associate("m1");
    await servedBy("m1");
    await lab.control.change({ propagationMs: 5000 });
    const asked = performance.now();
    await associate("m2");
    await servedBy("m2");
    expect(performance.now() - asked).toBeGreaterThan(5000);
  });
});

describe("knobs", () => {
  test("an instance that is cut from the API still has its metadata", async () => {
    const headers = await token(lab.m1);
    await lab.control.change({ cut: [ids.m1] });
    expect(await lab.m1.api("DescribeAddresses")).toBe("timeout");
    expect(await lab.m1.http(`${metadata}/meta-data/instance-id`, headers)).toMatch(/^200 /);
    expect(await lab.m2.api("DescribeAddresses")).toMatch(/^200 /);
    await lab.control.change({ cut: [], metadataCut: [ids.m1] });
    expect(await lab.m1.api("DescribeAddresses")).toMatch(/^200 /);
    expect(await lab.m1.http(`${metadata}/meta-data/instance-id`, headers)).toBe("timeout");
  });

  test("an error after the effect; a cut connection; what was called is remembered", async () => {
    await associate("m1");
    const move = { AllocationId: ids.entry, InstanceId: ids.m2 };
    await lab.control.change({ faults: [{ when: "after", code: "InternalError" }] });
    expect(await lab.m1.api("AssociateAddress", move)).toMatch(/^500 .*<Code>InternalError</s);
    await servedBy("m2");
    await lab.control.change({ faults: [{ code: "connection-reset" }] });
    expect(await lab.m1.api("DescribeAddresses")).toBe("ECONNRESET");
    expect((await lab.control.calls()).slice(-2)).toMatchObject([
      { action: "AssociateAddress", instance: ids.m1, result: "InternalError", changed: true },
      { action: "DescribeAddresses", result: "connection-reset", changed: false },
    ]);
  });

  test("a knob that does not exist is refused, and nothing changes", async () => {
    const before = await lab.control.behaviour();
    await expect(lab.control.change({ latency: 5 } as object)).rejects.toThrow(/latency/);
    expect(await lab.control.behaviour()).toEqual(before);
  });
});

describe("the endpoint's process", () => {
  test("is left alone by another `up`, and started again when it has died, with what EC2 knew", async () => {
    await associate("m2");
    const before = await endpointProcess();
    await lab.create();
    expect(await endpointProcess()).toEqual(before);
    signal(before, "SIGKILL");
    await poll(() => !isAlive(before), { deadlineMs: 10_000, what: "its end" });
    // The router goes on without it: packets do not depend on the process.
    await servedBy("m2");
    await lab.create();
    expect((await lab.control.state()).associations[ids.entry]?.interfaceId).toBeDefined();
    await servedBy("m2");
    expect((await endpointProcess()).pid).not.toBe(before.pid);
  });

  test("takes a new configuration over", async () => {
    await lab.create({ accessKeys: [] });
    expect(await lab.m1.api("DescribeAddresses")).toMatch(/^401 /);
    await lab.create();
    expect(await lab.m1.api("DescribeAddresses")).toMatch(/^200 /);
  });
});

test("a lab with machines: they know their gateway after every boot, and `down` leaves nothing", async () => {
  const spec = await testLabSpec({ name: randomName(), machines: ["m1", "m2"] });
  const config = accountInput(spec.name, spec.subnet.replace(".0/24", ""));
  const reporter = testReporter();
  try {
    const real = await createLab({ ...spec, ec2: { config, self } }, { home, reporter });
    const m1 = real.machine("m1");
    const status = [
      "curl",
      "--silent",
      "--max-time",
      "5",
      "--output",
      "/dev/null",
      "--write-out",
      "%{http_code}",
    ];
    expect(await must(m1, ...status, `${metadata}/meta-data/`)).toBe("401");
    await m1.powerOff();
    await m1.powerOn();
    expect(await must(m1, ...status, `${apiUrl}/`)).toBe("400");
    expect(await new Ec2Control(home, spec.name).behaviour()).toMatchObject({ cut: [] });
  } finally {
    await (await openLab({ home, name: spec.name, reporter })).destroy();
  }
  expect(await findLeftovers(home, spec.name)).toEqual([]);
});
