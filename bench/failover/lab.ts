/** The lab of a bench: two hosts that Holdfast sets up, and two that are set up as the guide says. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseTopology } from "../../src/core/topology/parse.ts";
import type { Topology } from "../../src/core/topology/schema.ts";
import { openLab, type Lab } from "../../src/hosts/lab/lab.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import type { Reporter } from "../../src/ports.ts";

const root = join(import.meta.dirname, "../..");
export const home = process.env["HOLDFAST_HOME"] ?? "/var/lib/holdfast";

export const quiet: Reporter = {
  info: () => undefined,
  warn: (message) => console.error(message),
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: (message) => console.error(message) }),
};

export interface BenchLab {
  readonly topology: Topology;
  readonly lab: Lab;
  readonly ours: readonly LabMachine[];
  readonly guide: readonly LabMachine[];
  /** Takes everything down. */
  readonly remove: () => Promise<void>;
}

/** @param address as under `entry.address` of a topology */
export async function benchLab(name: string, subnet: string, address: string): Promise<BenchLab> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const file = join(directory, "holdfast.yaml");
  const text = topologyText(name, subnet, address);
  await writeFile(file, text);
  const { topology, problems } = parseTopology(text, file);
  if (topology === undefined) throw new Error(JSON.stringify(problems));
  const remove = async (): Promise<void> => {
    await holdfast(["down", name, "--yes"]);
    await rm(directory, { recursive: true });
  };
  try {
    await holdfast(["up", file, "--yes"]);
    const lab = await openLab({ home, name, reporter: quiet });
    const machines = (prefix: string) => [1, 2].map((number) => lab.machine(`${prefix}${number}`));
    return { topology, lab, ours: machines("ours"), guide: machines("guide"), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

const topologyText = (name: string, subnet: string, address: string): string => {
  const prefix = subnet.replace(/\.0\/24$/, "");
  const host = (host: string, zone: string, last: number): string =>
    `  ${host}: { zone: ${zone}, address: ${prefix}.${last}, memory: 1GiB }`;
  return `holdfast: 1
name: ${name}
provider: { kind: lab }
network: { subnet: ${subnet} }
zones: [a, b]
hosts:
${[host("ours1", "a", 11), host("ours2", "b", 12), host("guide1", "a", 21), host("guide2", "b", 22)].join("\n")}
objectives: { entry: { recoveryTime: 2s } }
entry:
  engine: nginx
  hosts: [ours1, ours2]
  address: ${address}
`;
};

async function holdfast(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [join(root, "dist/holdfast.cjs"), ...args], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, HOLDFAST_HOME: home },
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`holdfast ${args.join(" ")}: exit ${code}`);
}
