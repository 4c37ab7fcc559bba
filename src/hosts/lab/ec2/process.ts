/** The endpoint as a part of a lab: started with it, ended with it. */
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { readIfExists, writeFileAtomic } from "../../../lib/atomic.ts";
import { HoldfastError } from "../../../lib/errors.ts";
import { lastLines } from "../../../lib/exec.ts";
import { poll } from "../../../lib/retry.ts";
import * as names from "../names.ts";
import { namespaceInodes, type NetworkSpec } from "../network.ts";
import { identify, isAlive, type ProcessId, processesIn, signal } from "../processes.ts";
import { type Ec2ConfigInput, ec2ConfigSchema } from "./config.ts";
import { Ec2Control, ec2Directory } from "./control.ts";
import { createRouter, inNamespace, removeRouter } from "./router.ts";

/** `LabSpec.ec2`: given to `createLab`, which starts the endpoint before the machines boot. */
export interface Ec2Spec {
  readonly config: Ec2ConfigInput;
  /** Command line of this CLI, `[node, holdfast.cjs]`: the endpoint is a process of its own. */
  readonly self: readonly string[];
}

export interface Ec2Place {
  /** Holdfast's state directory. */
  readonly home: string;
  readonly network: NetworkSpec & { readonly gatewayAddress: string };
}

/**
 * Makes the router and starts the endpoint in it, or leaves the one that runs with the same
 * configuration; what EC2 knew before is kept. Returns when it answers.
 * @throws HoldfastError when it ends at once or does not answer
 */
export async function startEc2({ home, network }: Ec2Place, { config, self }: Ec2Spec): Promise<void> {
  const directory = ec2Directory(home, network.lab);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await createRouter(network);
  const content = `${JSON.stringify(ec2ConfigSchema.parse(config), null, 2)}\n`;
  const file = join(directory, "config.json");
  const [before, record] = await Promise.all([readIfExists(file), readRecord(directory)]);
  const command = [...self, "lab-ec2", "--config", file];
  const program = await digest(self.at(-1) ?? "");
  const same = before === content && record?.program === program && record.command.join() === command.join();
  if (same && isAlive(record.process)) return;
  await endProcesses(network.lab);
  await writeFileAtomic(file, content);
  const seed = join(directory, "seed");
  if ((await readIfExists(seed)) === null) await writeFileAtomic(seed, randomBytes(32).toString("hex"));
  const log = join(directory, "log");
  const started = await launch([...inNamespace(network.lab), ...command], log);
  await writeFileAtomic(
    join(directory, "process.json"),
    JSON.stringify({ process: started, command, program }),
  );
  await waitUntilItAnswers(new Ec2Control(home, network.lab), started, log);
}

/** Ends the endpoint and removes its router and all that it knew. Does nothing when there is none. */
export async function stopEc2({ home, lab }: { home: string; lab: string }): Promise<void> {
  await endProcesses(lab);
  await removeRouter(lab);
  await rm(ec2Directory(home, lab), { recursive: true, force: true });
}

interface ProcessRecord {
  readonly process: ProcessId;
  readonly command: readonly string[];
  /** Digest of the CLI that it runs: after an upgrade it is started again. */
  readonly program: string;
}

async function readRecord(directory: string): Promise<ProcessRecord | undefined> {
  const text = await readIfExists(join(directory, "process.json"));
  return text === null ? undefined : (JSON.parse(text) as ProcessRecord);
}

async function digest(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

/** Whatever runs in the router's network: also one whose start was cut before it was recorded. */
async function endProcesses(lab: string): Promise<void> {
  const inodes = await namespaceInodes([names.routerNamespace(lab)]);
  if (inodes.size === 0) return;
  await poll(
    async () => {
      const left = await processesIn("\0", inodes);
      for (const process of left) signal(process, "SIGKILL");
      return left.length === 0;
    },
    { deadlineMs: 10_000, intervalMs: 20, what: `the EC2 endpoint of lab ${lab} to end` },
  );
}

async function launch(argv: readonly string[], log: string): Promise<ProcessId> {
  const [command = "", ...args] = argv;
  const output = await open(log, "a", 0o600);
  try {
    const child = spawn(command, args, {
      detached: true, // a session of its own: neither Ctrl-C nor the end of the terminal reaches it
      stdio: ["ignore", output.fd, output.fd],
      // Nothing of whoever started it: neither a directory held open nor keys in the environment.
      cwd: "/",
      env: { PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" },
    });
    await once(child, "spawn");
    child.unref();
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity === undefined) throw await ended(log);
    return identity;
  } finally {
    await output.close();
  }
}

async function waitUntilItAnswers(control: Ec2Control, started: ProcessId, log: string): Promise<void> {
  const outcome = await poll(
    async () => {
      if (!isAlive(started)) return "ended" as const;
      await control.behaviour();
      return "answers" as const;
    },
    { deadlineMs: 60_000, intervalMs: 50, what: "the lab's EC2 endpoint to answer", fix: `read ${log}` },
  );
  if (outcome === "ended") throw await ended(log);
}

async function ended(log: string): Promise<HoldfastError> {
  const said = lastLines((await readIfExists(log)) ?? "", 5);
  return new HoldfastError(`the lab's EC2 endpoint ended right after its start: ${said}`, {
    fix: `read ${log}`,
  });
}
