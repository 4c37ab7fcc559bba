/** The whole blueprint on real machines, driven as an operator drives it: through the command line. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach } from "vitest";
import { recordedIo } from "./io.ts";
import { dumpJournals, home, node, randomName, randomNetwork, testReporter } from "./lab.ts";
import { run as init } from "../../src/commands/init.ts";
import { openLab, type Lab } from "../../src/hosts/lab/lab.ts";

export const root = join(import.meta.dirname, "../..");

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface TestService {
  readonly name: string;
  readonly directory: string;
  readonly file: string;
  /** Everything any command printed, for the search for secrets. */
  readonly transcript: string[];
  /** Runs the bundle as a user would. `killAfterMs` sends SIGKILL in the middle. */
  holdfast(args: readonly string[], options?: CliOptions): Promise<CliResult>;
  /** The same, and throws with what it printed unless it exits with 0. */
  ok(args: readonly string[]): Promise<CliResult>;
  lab(): Promise<Lab>;
  edit(change: (text: string) => string): Promise<void>;
  remove(): Promise<void>;
}

export interface CliOptions {
  readonly killAfterMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** A copy of a blueprint under a random name and subnet. Nothing is made yet besides its file. */
export async function testService(blueprint = "privx-onprem"): Promise<TestService> {
  const name = randomName();
  const directory = await mkdtemp(join(tmpdir(), "holdfast-service-"));
  const file = join(directory, "holdfast.yaml");
  const subnet = `${randomNetwork()}.0/24`;
  await init([blueprint, "--output", file, "--name", name, "--subnet", subnet], recordedIo(directory));
  const transcript: string[] = [];
  const holdfast: TestService["holdfast"] = async (args, options = {}) => {
    const result = await runCli(args, directory, options);
    transcript.push(result.stdout, result.stderr);
    return result;
  };
  return {
    name,
    directory,
    file,
    transcript,
    holdfast,
    async ok(args) {
      const result = await holdfast(args);
      if (result.code === 0) return result;
      throw new Error(`holdfast ${args.join(" ")}: exit ${result.code}\n${result.stderr}\n${result.stdout}`);
    },
    lab: () => openLab({ home, name, reporter: testReporter() }),
    edit: async (change) => writeFile(file, change(await readFile(file, "utf8"))),
    async remove() {
      await runCli(["down", name, "--yes"], directory, {});
      await rm(join(home, "topologies", name), { recursive: true, force: true });
      await rm(directory, { recursive: true });
    },
  };
}

/** Removes the service after the file's tests; prints its machines' journals first when one of them failed. */
export function removeAfterTests(service: () => TestService): void {
  let failed = false;
  afterEach(({ task }) => {
    if (task.result?.state === "fail") failed = true;
  });
  afterAll(async () => {
    try {
      if (failed) await dumpJournals(await service().lab());
    } finally {
      await service().remove();
    }
  });
}

async function runCli(args: readonly string[], cwd: string, options: CliOptions): Promise<CliResult> {
  const child = spawn(node, [join(root, "dist/holdfast.cjs"), ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOLDFAST_HOME: home, ...options.env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const timer =
    options.killAfterMs === undefined
      ? undefined
      : setTimeout(() => child.kill("SIGKILL"), options.killAfterMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  clearTimeout(timer);
  return { code, stdout, stderr };
}
