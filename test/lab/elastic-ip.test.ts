/** The blueprint nginx-eip on real machines: the address follows a lost holder, and stays where it serves in a split. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { networkInterfaces } from "node:os";
import { poll } from "../../src/lib/retry.ts";
import { findLeftovers } from "../../src/hosts/lab/leftovers.ts";
import { Ec2Control } from "../../src/hosts/lab/ec2/control.ts";
import { allocationId, instanceId } from "../../src/hosts/lab/ec2/identifiers.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { exec } from "../../src/lib/exec.ts";
import { dumpJournals, home, must } from "../support/lab.ts";
import { testService, type TestService } from "../support/service.ts";

const address = "198.51.100.10";
let service: TestService;
let nginx1: LabMachine;
let nginx2: LabMachine;

beforeAll(async () => {
  service = await testService("nginx-eip");
  const up = await service.holdfast(["up", service.file, "--yes"]);
  if (up.code !== 0) throw new Error(up.stderr);
  const lab = await service.lab();
  [nginx1, nginx2] = [lab.machine("nginx1"), lab.machine("nginx2")];
});
afterAll(async () => service?.remove());

const control = (): Ec2Control => new Ec2Control(home, service.name);

/** Who EC2 says has the address. */
async function owner(): Promise<LabMachine | undefined> {
  const association = (await control().state()).associations[allocationId(service.name, "entry")];
  const text = JSON.stringify(association ?? null);
  return [nginx1, nginx2].find((machine) => text.includes(instanceId(service.name, machine.name)));
}

/** Whether a client reaches a web server through the address. */
async function served(): Promise<boolean> {
  const { clientNamespace } = await service.lab();
  const argv = ["ip", "netns", "exec", clientNamespace, "curl", "-sk", "-o", "/dev/null", "--max-time", "2"];
  return (await exec([...argv, `https://${address}/`])).code === 0;
}

const ownedBy = async (machine: LabMachine): Promise<boolean> =>
  poll(async () => (await owner())?.name === machine.name && (await served()), {
    deadlineMs: 60_000,
    what: `clients to be served by ${machine.name}`,
  });

const whole = async (): Promise<boolean> =>
  poll(async () => (await service.holdfast(["status", service.file])).stdout.includes("is UP"), {
    deadlineMs: 90_000,
    intervalMs: 500,
    what: "full redundancy",
  });

async function associations(): Promise<number> {
  const calls = await control().calls();
  return calls.filter(({ action, changed }) => action === "AssociateAddress" && changed).length;
}

async function guarded(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    await dumpJournals(await service.lab());
    throw error;
  }
}

it("is up, and clients reach a host through the Elastic IP", () =>
  guarded(async () => {
    await whole();
    expect(await served()).toBe(true);
    const again = await service.holdfast(["up", service.file, "--yes"]);
    expect(again.stdout).toContain("nothing to do");
  }));

it("a crash of nginx costs clients nothing and moves nothing", () =>
  guarded(async () => {
    const holder = await owner();
    const before = await associations();
    await must(holder ?? nginx1, "systemctl", "kill", "--signal=SIGKILL", "nginx.service");
    expect(await served()).toBe(true);
    await whole();
    expect(await associations()).toBe(before);
  }));

it("the address follows when its holder is lost without a goodbye", () =>
  guarded(async () => {
    const holder = (await owner()) ?? nginx1;
    const other = holder === nginx1 ? nginx2 : nginx1;
    await holder.powerOff();
    await ownedBy(other);
    await holder.powerOn();
    await whole();
    expect((await owner())?.name).toBe(other.name);
  }));

it("in a split brain the address stays with who serves, and one is master after it", () =>
  guarded(async () => {
    const holder = await owner();
    const before = await associations();
    const cut = `nft -f - <<'END'
table inet test_split {
  chain input { type filter hook input priority -300; policy accept; ip protocol 112 drop; }
  chain output { type filter hook output priority -300; policy accept; ip protocol 112 drop; }
}
END`;
    for (const machine of [nginx1, nginx2]) await must(machine, "sh", "-c", cut);
    const state = async (machine: LabMachine): Promise<string> =>
      (await machine.run(["cat", "/run/nginx-ha-keepalived.state"])).stdout.trim();
    await poll(
      async () => (await state(nginx1)) === "STATE=MASTER" && (await state(nginx2)) === "STATE=MASTER",
      {
        deadlineMs: 30_000,
        what: "both to be masters",
      },
    );
    const until = performance.now() + 10_000;
    while (performance.now() < until) expect(await served()).toBe(true);
    expect((await owner())?.name).toBe(holder?.name);
    for (const machine of [nginx1, nginx2])
      await must(machine, "nft", "delete", "table", "inet", "test_split");
    await whole();
    expect(await served()).toBe(true);
    expect(await associations()).toBe(before);
    expect((await owner())?.name).toBe(holder?.name);
  }));

it("a switchover moves it", () =>
  guarded(async () => {
    const holder = (await owner()) ?? nginx1;
    const done = await service.holdfast(["switchover", "entry", service.file, "--yes"]);
    expect(done.stdout).toContain("holds the clients' address");
    await ownedBy(holder === nginx1 ? nginx2 : nginx1);
    await whole();
  }));

it("down leaves nothing behind", async () => {
  const { name } = service;
  expect((await service.holdfast(["down", name, "--yes"])).code).toBe(0);
  expect(await findLeftovers(home, name)).toEqual([]);
  expect(Object.keys(networkInterfaces()).filter((link) => link.includes(name))).toEqual([]);
});
