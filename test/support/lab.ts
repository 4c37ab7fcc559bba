/** Real lab machines for tests: made, and always removed again, whatever the test does. */
import { randomBytes, randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { ensureImage } from "../../src/hosts/lab/image.ts";
import { createLab, type Lab, openLab } from "../../src/hosts/lab/lab.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { journal } from "../../src/hosts/journal.ts";
import type { Reporter } from "../../src/ports.ts";

/** Where images and labs of tests are: the real home, so that the base image is built once per machine. */
export const home = process.env["HOLDFAST_HOME"] ?? "/var/lib/holdfast";
export const node = fileURLToPath(new URL("../../node_modules/node/bin/node", import.meta.url));

export interface TestLabOptions {
  /** Names of the machines; the first gets address .11, the next .12 and so on. Default m1 and m2. */
  readonly machines?: readonly string[];
  readonly name?: string;
  /** First three numbers of a /24: "10.201.7". */
  readonly network?: string;
  readonly reserved?: readonly string[];
}

export const randomName = (): string => `hft-${randomBytes(4).toString("hex")}`;
export const randomNetwork = (): string => `10.${randomInt(200, 250)}.${randomInt(0, 256)}`;

/** Reporter of tests: quiet; what it heard can be looked at. */
export function testReporter(): Reporter & { readonly heard: string[] } {
  const heard: string[] = [];
  const say = (text: string) => void heard.push(text);
  return {
    heard,
    info: say,
    warn: say,
    event: () => undefined,
    task: (title) => {
      say(title);
      return { update: () => undefined, done: () => undefined, fail: say };
    },
  };
}

/** What `createLab` needs for a small lab. */
export async function testLabSpec(options: TestLabOptions = {}) {
  const network = options.network ?? randomNetwork();
  return {
    name: options.name ?? randomName(),
    subnet: `${network}.0/24`,
    interface: "host0",
    image: await ensureImage({ home, node, reporter: testReporter() }),
    machines: (options.machines ?? ["m1", "m2"]).map((name, index) => ({
      name,
      address: `${network}.${11 + index}`,
      memory: 2 ** 30,
    })),
    reserved: options.reserved ?? [],
  };
}

/** Runs a test on a fresh lab. Prints the machines' journals when it fails; removes the lab in every case. */
export async function withLab(options: TestLabOptions, work: (lab: Lab) => Promise<void>): Promise<void> {
  const spec = await testLabSpec(options);
  const reporter = testReporter();
  try {
    const lab = await createLab(spec, { home, reporter });
    try {
      await work(lab);
    } catch (error) {
      await dumpJournals(lab);
      throw error;
    }
  } finally {
    await (await openLab({ home, name: spec.name, reporter })).destroy();
  }
}

/** Standard output of a command that must succeed on the machine. */
export async function must(machine: LabMachine, ...argv: string[]): Promise<string> {
  const result = await machine.run(argv);
  if (result.code !== 0)
    throw new Error(`${machine.name}: ${argv.join(" ")}: exit ${result.code}: ${result.stderr}`);
  return result.stdout;
}

/** For tests that failed: the last words of every machine. */
export async function dumpJournals(lab: Lab): Promise<void> {
  for (const machine of lab.machines) {
    const state = await machine.state();
    const text =
      state === "running"
        ? await journal(machine, { lines: 60 }).catch(String)
        : await readFile(machine.paths.console, "utf8").catch(String);
    console.error(`--- ${machine.name} (${state})\n${text.slice(-8000)}`);
  }
}
