/** A lab's network with a router and an EC2 endpoint, and processes in place of its machines: seconds, not minutes. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Ec2ConfigInput } from "../../src/hosts/lab/ec2/config.ts";
import { Ec2Control } from "../../src/hosts/lab/ec2/control.ts";
import { apiUrl } from "../../src/hosts/lab/ec2/identifiers.ts";
import { createLab, type LabSpec, openLab } from "../../src/hosts/lab/lab.ts";
import * as names from "../../src/hosts/lab/names.ts";
import { plugIn } from "../../src/hosts/lab/network.ts";
import { readLab } from "../../src/hosts/lab/state.ts";
import { accountInput, type SigningKey } from "./ec2.ts";
import { randomName, randomNetwork, testReporter } from "./lab.ts";
import type { Task } from "./namespace-peer.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
/** This CLI, as the lab starts it: the bundle (`npm run build`). */
export const self = [process.execPath, here("../../dist/holdfast.cjs")];
export const operator: SigningKey = { id: "AKIATEST", secret: "secret" };

/** A process in one namespace (namespace-peer.ts); one task at a time. */
export class Peer {
  readonly namespace: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(namespace: string, name: string) {
    this.namespace = namespace;
    const argv = [
      `--net=${names.namespacePath(namespace)}`,
      "--",
      process.execPath,
      here("namespace-peer.ts"),
      name,
    ];
    this.#child = spawn("nsenter", argv, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  async ask(task: Task): Promise<string> {
    this.#child.stdin.write(`${JSON.stringify(task)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the process in ${this.namespace} ended`);
    return JSON.parse(value) as string;
  }

  /** A call of the EC2 API: "<status> <body>", or how it failed. */
  async api(action: string, parameters: Record<string, string> = {}, key = operator): Promise<string> {
    return this.ask({ do: "api", url: apiUrl, parameters: { Action: action, ...parameters }, key });
  }

  async http(url: string, headers: Record<string, string> = {}, method = "GET"): Promise<string> {
    return this.ask({ do: "http", url, method, headers });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.stdin.end();
    await closed;
  }
}

export interface Ec2Lab {
  readonly home: string;
  readonly name: string;
  readonly config: Ec2ConfigInput;
  readonly control: Ec2Control;
  readonly m1: Peer;
  readonly m2: Peer;
  readonly client: Peer;
  /** Makes it again, as `up` does on a lab that is there. */
  create(change?: Partial<Ec2ConfigInput>): Promise<void>;
  destroy(): Promise<void>;
}

export async function makeEc2Lab(change: Partial<Ec2ConfigInput> = {}): Promise<Ec2Lab> {
  const home = await mkdtemp(join(tmpdir(), "holdfast-ec2-"));
  const [name, network, reporter] = [randomName(), randomNetwork(), testReporter()];
  const config = { ...accountInput(name, network), ...change };
  const machines = config.instances.map(({ machine, interfaces }) => ({
    name: machine,
    address: interfaces[0]?.addresses[0] ?? "",
  }));
  const create = async (again: Partial<Ec2ConfigInput> = {}): Promise<void> => {
    const spec: LabSpec = {
      name,
      subnet: config.subnet,
      interface: "host0",
      machines: [],
      image: "",
      reserved: machines.map(({ address }) => address),
      ec2: { config: { ...config, ...again }, self },
    };
    await createLab(spec, { home, reporter });
  };
  const peers: Peer[] = [];
  const destroy = async (): Promise<void> => {
    await Promise.all(peers.map(async (peer) => peer.end()));
    await (await openLab({ home, name, reporter })).destroy();
    await rm(home, { recursive: true, force: true });
  };
  try {
    await create();
    const record = await readLab(home, name);
    if (record === undefined) throw new Error("the lab has no record");
    for (const machine of machines) await plugIn({ ...record, lab: name }, machine);
    const [m1, m2] = machines.map(
      (machine) => new Peer(names.machineNamespace(name, machine.name), machine.name),
    );
    const client = new Peer(names.clientNamespace(name), "client");
    if (m1 === undefined || m2 === undefined) throw new Error("the account has two machines");
    peers.push(m1, m2, client);
    return { home, name, config, control: new Ec2Control(home, name), m1, m2, client, create, destroy };
  } catch (error) {
    await destroy();
    throw error;
  }
}
