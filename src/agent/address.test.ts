import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ec2Error, scriptedAws, type Script, type ScriptedAws } from "../../test/support/scripted-aws.ts";
import { WarmCredentials } from "../cloud/credentials.ts";
import { Ec2 } from "../cloud/ec2.ts";
import type { Role } from "../core/decide/address/types.ts";
import { type AddressConfig, addressSchema } from "../core/engines/agent/config.ts";
import { poll } from "../lib/retry.ts";
import type { Reporter } from "../ports.ts";
import { AddressLoop, type AddressParts } from "./address.ts";
import type { StatusFile } from "./address-status.ts";
import { Witness } from "./witness.ts";
import type { WitnessStore } from "./witness-store.ts";

const here = "i-0000000000000000a";
const there = "i-0000000000000000b";
const allocation = "eipalloc-0000000000000000a";

let directory: string;
let aws: ScriptedAws;
let ec2: Ec2;
let stop: AbortController;
let running: Promise<void>;
let reporter: Reporter;
const messages: string[] = [];
/** EC2's side: where the address is. */
let holder: string | null;
let association: number;
let role: Role;
let tell: () => void;
let config: AddressConfig;
let start: (change?: Partial<AddressConfig>, witness?: AddressParts["witness"]) => void;

const account: Script = ({ parameters }, response) => {
  const action = parameters.get("Action") ?? "";
  switch (action) {
    case "DescribeAddresses": {
      const placed =
        holder === null
          ? ""
          : `<associationId>eipassoc-${association}</associationId><instanceId>${holder}</instanceId>`;
      response.end(
        `<R><addressesSet><item><publicIp>127.0.0.1</publicIp>${placed}</item></addressesSet></R>`,
      );
      return;
    }
    case "AssociateAddress":
      if (holder !== null && parameters.get("AllowReassociation") !== "true") {
        response.writeHead(400).end(ec2Error("Resource.AlreadyAssociated"));
        return;
      }
      holder = parameters.get("InstanceId");
      association += 1;
      response.end(`<R><associationId>eipassoc-${association}</associationId></R>`);
      return;
    case "DisassociateAddress":
      holder = null;
      response.end("<R><return>true</return></R>");
      return;
    default:
      response.end(
        `<R><reservationSet><item><instancesSet><item><instanceId>${there}</instanceId><instanceState><name>stopped</name></instanceState></item></instancesSet></item></reservationSet></R>`,
      );
  }
};

const become = (next: Role): void => {
  role = next;
  tell();
};
const made = (action: string) => aws.calls.filter(({ parameters }) => parameters.get("Action") === action);
const until = async (what: string, probe: () => Promise<boolean> | boolean) =>
  poll(probe, { deadlineMs: 15_000, intervalMs: 10, what });
const content = async (name: string) => readFile(join(directory, name), "utf8").catch(() => "");
const status = async () => JSON.parse((await content("status")) || "{}") as Partial<StatusFile>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-address-"));
  messages.length = 0;
  holder = there;
  association = 1;
  role = "backup";
  aws = await scriptedAws(account);
  reporter = {
    info: (message: string) => void messages.push(message),
    warn: (message: string) => void messages.push(message),
    event: () => undefined,
    task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
  };
  const keys = async () => Promise.resolve({ accessKeyId: "A", secretAccessKey: "s" });
  ec2 = new Ec2({ region: "eu-west-1", endpoint: aws.url, credentials: new WarmCredentials(keys, reporter) });
  config = addressSchema.parse({
    region: "eu-west-1",
    addresses: [{ allocationId: allocation }],
    vrrp: {},
    probePort: 9, // nobody listens there: the holder refuses
    peerPort: 18_406,
    stateFile: join(directory, "state"),
    fitFile: join(directory, "fit"),
    awayFile: join(directory, "away"),
    statusFile: join(directory, "status"),
  });
  const identity = {
    instanceId: here,
    region: "eu-west-1",
    privateAddress: "127.0.0.1",
    hostname: "a",
  };
  const roles: NonNullable<AddressParts["roles"]> = (onRole) => {
    tell = onRole;
    return {
      get role() {
        return role;
      },
      keepalivedLives: true,
      look: async () => Promise.resolve(onRole()),
      follow: async (signal) =>
        poll(() => signal.aborted, { deadlineMs: 60_000, what: "the end" }).then(() => undefined),
    };
  };
  start = (change = {}, witness) => {
    stop = new AbortController();
    const parts = { ec2, identity, reporter, signal: stop.signal, roles };
    const loop = new AddressLoop(
      { ...config, ...change },
      witness === undefined ? parts : { ...parts, witness },
    );
    running = loop.run();
  };
  start();
});
const end = async (): Promise<void> => {
  stop.abort();
  await running;
};
afterEach(async () => {
  await end();
  await ec2.close();
  await aws.close();
  await rm(directory, { recursive: true });
});

it("a master gets the address in one call, and the guide's state file says so", async () => {
  await until("the first state", async () => (await content("state")) === "STATE=BACKUP\n");
  await until("it to be known elsewhere", async () => (await content("away")) === "1\n");
  become("master");
  await until("the address to be here", () => holder === here);
  await until("the state", async () => (await content("state")) === "STATE=MASTER\n");
  await until("it to be known", async () => (await status()).addresses?.[0]?.here === true);
  await until("keepalived to hear of it", async () => (await content("away")) === "0\n");
  expect(made("DisassociateAddress")).toHaveLength(0);
  expect(made("AssociateAddress").map(({ parameters }) => parameters.get("AllowReassociation"))).toEqual([
    "true",
  ]);
});

it("a backup pushes nothing away", async () => {
  holder = here;
  become("fault");
  const before = made("DescribeAddresses").length;
  await until("it to look", () => made("DescribeAddresses").length > before + 1);
  expect(holder).toBe(here);
  expect(made("AssociateAddress").concat(made("DisassociateAddress"))).toHaveLength(0);
  expect(await content("state")).toBe("STATE=BACKUP\n");
});

it("after a flap the address is where the last role says, and so is the state file", async () => {
  for (const next of ["master", "backup", "master", "fault", "master"] as const) become(next);
  await until("the address to be here", () => holder === here);
  await until("the state", async () => (await content("state")) === "STATE=MASTER\n");
  expect(made("AssociateAddress")).toHaveLength(1);
});

it("an error after the effect ends with the address here", async () => {
  aws.script = async (call, response) => {
    if (call.parameters.get("Action") !== "AssociateAddress") return account(call, response);
    aws.script = account;
    holder = here;
    association += 1;
    response.writeHead(500).end(ec2Error("InternalError"));
  };
  become("master");
  await until("it to be known", async () => (await status()).addresses?.[0]?.here === true);
  expect(made("DisassociateAddress")).toHaveLength(0);
});

it("a missing permission is told with the policy, and the other host may be master meanwhile", async () => {
  aws.script = async (call, response) => {
    if (call.parameters.get("Action") !== "AssociateAddress") return account(call, response);
    response.writeHead(403).end(ec2Error("UnauthorizedOperation", "You are not authorized"));
  };
  become("master");
  await until("this host to say that it is not fit", async () => (await content("fit")) === "1\n");
  const told = messages.find((message) => message.includes("UnauthorizedOperation"));
  expect(told).toContain("ec2:AssociateAddress");
  expect(told).toContain('"Version": "2012-10-17"');
});

it("goes on while EC2 does not answer, and takes the address when it does", async () => {
  aws.script = (_call, response) => void response.destroy();
  become("master");
  await until("a failure to be told", async () => (await status()).lastFailure !== null);
  expect(holder).toBe(there);
  aws.script = account;
  await until("the address to be here", () => holder === here);
});

it("where the witness is required, a master without its lease takes nothing", async () => {
  await end();
  let taken = false;
  const store: WitnessStore = {
    holder: () => Promise.resolve(taken ? null : { host: "b", leaseId: "1" }),
    take: () => Promise.resolve({ host: "a", leaseId: "2" }),
    renew: () => Promise.resolve(true),
    giveBack: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
  const tls = { ca: "", certificate: "", key: "" };
  const lease = { self: "a", leaseKey: "/witness", ttlSeconds: 3, required: true };
  const witness = { ...lease, ...tls, endpoints: ["http://127.0.0.1:9"] };
  start(
    { witness },
    (onChange) =>
      new Witness({ self: "a", ttlMs: 3000, store, onChange, reporter, now: () => performance.now() }),
  );
  const before = made("DescribeAddresses").length;
  become("master");
  await until("it to look", () => made("DescribeAddresses").length > before + 2);
  expect(holder).toBe(there);
  taken = true;
  await until("the address to be here", () => holder === here);
});
