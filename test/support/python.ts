/** A Python environment with AWS's own client and moto, made once per version of them. */
import { rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exec, lastLines } from "../../src/lib/exec.ts";
import { root } from "./service.ts";

const packages = ["moto[ec2,server]==5.2.5", "awscli==1.46.2"];
/** A virtual environment cannot be moved: it is made where it stays, and used when this says it is whole. */
const directory = join(root, ".cache/aws-5.2.5-1.46.2");
const complete = join(directory, "complete");

/**
 * @returns its `bin` directory; undefined when the package index cannot be reached
 * @throws Error when it cannot be made for any other reason
 */
export async function awsPython(): Promise<string | undefined> {
  const bin = join(directory, "bin");
  if (await exists(complete)) return bin;
  await rm(directory, { recursive: true, force: true });
  const made = await exec(["python3", "-m", "venv", directory], { timeoutMs: 120_000 });
  if (made.code !== 0) throw new Error(`no Python environment (apt install python3-venv): ${made.stderr}`);
  const argv = [join(bin, "pip"), "install", "--quiet", "--disable-pip-version-check", ...packages];
  const installed = await exec(argv, { timeoutMs: 600_000 });
  if (installed.code !== 0) {
    await rm(directory, { recursive: true, force: true });
    const unreachable =
      /NewConnectionError|NameResolutionError|Network is unreachable|ConnectTimeout|ReadTimeout|ProxyError/;
    if (unreachable.test(installed.stderr)) return undefined;
    throw new Error(`pip install ${packages.join(" ")}: ${lastLines(installed.stderr, 5)}`);
  }
  await writeFile(complete, "");
  return bin;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
