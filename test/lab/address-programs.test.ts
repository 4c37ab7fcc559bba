/**
 * nginx-ha-check and nginx-ha-notify on two instances that were set up by the guide: its keepalived.conf
 * unchanged, its settings in its own script, then `holdfast address install`.
 */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Ec2Control } from "../../src/hosts/lab/ec2/control.ts";
import { allocationId, apiUrl } from "../../src/hosts/lab/ec2/identifiers.ts";
import { createLab, openLab, type Lab } from "../../src/hosts/lab/lab.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { poll } from "../../src/lib/retry.ts";
import { accountInput } from "../support/ec2.ts";
import { self } from "../support/ec2-lab.ts";
import {
  dumpJournals,
  home,
  must,
  randomName,
  randomNetwork,
  testLabSpec,
  testReporter,
} from "../support/lab.ts";

const directory = "/usr/lib/keepalived";
const name = randomName();
const network = randomNetwork();
const account = accountInput(name, network);
const control = new Ec2Control(home, name);
let lab: Lab;
let m1: LabMachine;
let m2: LabMachine;

/** As step 5 of the guide has it. */
const keepalivedConf = (
  priority: number,
  own: string,
  other: string,
): string => `vrrp_script chk_nginx_service {
    script "${directory}/nginx-ha-check"
    interval 3
    weight 50
}
vrrp_instance VI_1 {
    interface host0
    priority ${priority}
    virtual_router_id 51
    advert_int 1
    unicast_src_ip ${own}
    unicast_peer {
        ${other}
    }
    authentication {
        auth_type PASS
        auth_pass secret
    }
    track_script {
        chk_nginx_service
    }
    notify "${directory}/nginx-ha-notify"
}
`;

/** What the operator has filled in, with the lab's endpoint. */
const settings = (): string => {
  const [one, two] = account.instances.map(({ privateDnsName }) => privateDnsName);
  return `#!/bin/bash
export AWS_DEFAULT_REGION=${account.region}
HA_NODE_1=${one}
HA_NODE_2=${two}
ALLOCATION_ID=${allocationId(name, "entry")}
export AWS_ENDPOINT_URL_EC2=${apiUrl}
echo "the guide's script"
`;
};

async function write(
  machine: LabMachine,
  path: string,
  content: string | Uint8Array,
  mode: string,
): Promise<void> {
  const done = await machine.run(["sh", "-c", 'cat >"$1" && chmod "$2" "$1"', "sh", path, mode], {
    stdin: content,
  });
  expect(done).toMatchObject({ code: 0 });
}

async function setUp(
  machine: LabMachine,
  priority: number,
  other: LabMachine,
  bundle: Uint8Array,
): Promise<void> {
  await must(machine, "mkdir", "-p", directory, "/etc/keepalived");
  await write(
    machine,
    "/etc/keepalived/keepalived.conf",
    keepalivedConf(priority, machine.address, other.address),
    "644",
  );
  await write(machine, `${directory}/nginx-ha-notify`, settings(), "755");
  await write(machine, "/tmp/holdfast.cjs", bundle, "755");
  await must(machine, "systemctl", "start", "nginx");
  await must(machine, "/opt/holdfast/node", "/tmp/holdfast.cjs", "address", "install");
  await must(machine, "systemctl", "start", "keepalived");
}

const holder = async (): Promise<string | undefined> => {
  const association = (await control.state()).associations[allocationId(name, "entry")];
  const isOwner = ({ interfaces }: (typeof account.instances)[number]): boolean =>
    interfaces.some(({ addresses }) => addresses.includes(association?.privateIp ?? ""));
  return account.instances.find(isOwner)?.machine;
};
const stateFile = async (machine: LabMachine): Promise<string> =>
  (await machine.run(["cat", "/var/run/nginx-ha-keepalived.state"])).stdout.trim();
const until = async (what: string, probe: () => Promise<boolean>) =>
  poll(probe, { deadlineMs: 60_000, what });

async function isOn(master: LabMachine): Promise<void> {
  await until(`the address to be on ${master.name}`, async () => (await holder()) === master.name);
  await until("its state", async () => (await stateFile(master)) === "STATE=MASTER");
}

beforeAll(async () => {
  const spec = { ...(await testLabSpec({ name, network })), ec2: { config: account, self } };
  lab = await createLab(spec, { home, reporter: testReporter() });
  m1 = lab.machine("m1");
  m2 = lab.machine("m2");
  const bundle = await readFile(self[1] ?? "");
  await Promise.all([setUp(m1, 101, m2, bundle), setUp(m2, 100, m1, bundle)]);
});
afterAll(async () => (await openLab({ home, name, reporter: testReporter() })).destroy());

/** The journals tell what was wrong. */
const told = async (work: () => Promise<void>): Promise<void> => {
  try {
    await work();
  } catch (error) {
    await dumpJournals(lab);
    throw error;
  }
};

test("the address is on the master, each step can be tried by hand, the state is in the guide's file", async () =>
  told(async () => {
    await isOn(m1);
    await until("the backup's state", async () => (await stateFile(m2)) === "STATE=BACKUP");
    for (const machine of [m1, m2]) {
      const tried = await must(
        machine,
        `${directory}/nginx-ha-notify`,
        "--dry-run",
        "INSTANCE",
        "VI_1",
        "MASTER",
      );
      expect(tried.match(/^ok {6}/gm)).toHaveLength(7);
      expect(await must(machine, `${directory}/nginx-ha-check`, "--dry-run")).toContain("fit");
      expect(await must(machine, "cat", `${directory}/nginx-ha-notify.before-holdfast`)).toBe(settings());
    }
    expect(await holder()).toBe("m1");
    // Doing it again changes nothing.
    await must(m1, "/opt/holdfast/node", "/opt/holdfast/holdfast.cjs", "address", "install");
    expect(await must(m1, "cat", `${directory}/nginx-ha-notify.before-holdfast`)).toBe(settings());
    await isOn(m1);
  }));

test("it follows the master when nginx dies, and comes back", async () =>
  told(async () => {
    await must(m1, "systemctl", "stop", "nginx");
    await isOn(m2);
    await until("m1's state", async () => (await stateFile(m1)) === "STATE=BACKUP");
    await must(m1, "systemctl", "start", "nginx");
    await isOn(m1);
    expect(await holder()).toBe("m1");
  }));

test("old words of notify move nothing", async () =>
  told(async () => {
    await isOn(m1);
    const dumps = async (): Promise<number> => {
      const log = await must(m1, "journalctl", "-u", "keepalived", "--no-pager", "-o", "cat");
      return log.match(/Printing VRRP data/g)?.length ?? 0;
    };
    const before = (await control.state()).associations;
    const dumped = await dumps();
    for (const state of ["BACKUP", "FAULT", "MASTER", "BACKUP"]) {
      await must(m1, `${directory}/nginx-ha-notify`, "INSTANCE", "VI_1", state, "101");
      await must(m2, `${directory}/nginx-ha-notify`, "INSTANCE", "VI_1", "MASTER", "100");
    }
    await until("the agent to have asked keepalived", async () => (await dumps()) > dumped);
    expect((await control.state()).associations).toEqual(before);
    expect(await stateFile(m1)).toBe("STATE=MASTER");
  }));

test("an agent that is killed looks anew; one that stays dead is stood in for by nginx-ha-notify", async () =>
  told(async () => {
    await must(m2, "systemctl", "kill", "--signal=KILL", "holdfast-address");
    await until(
      "its return",
      async () => (await m2.run(["systemctl", "is-active", "holdfast-address"])).code === 0,
    );
    await must(m2, "systemctl", "stop", "holdfast-address");
    await m1.powerOff();
    await isOn(m2);
    const log = await must(m2, "journalctl", "-t", "nginx-ha-keepalived", "--no-pager", "-o", "cat");
    expect(log).toContain("no agent runs: starting a controller");
    // The agent waits for that controller's end and goes on from what it finds.
    await must(m2, "systemctl", "start", "holdfast-address");
    await isOn(m2);
  }));
