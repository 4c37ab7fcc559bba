import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { openLab } from "../hosts/lab/lab.ts";
import { readIfExists } from "../lib/atomic.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { takeLock } from "../run/lock.ts";
import { stateDirectory } from "../run/state.ts";
import { parseCommand } from "./arguments.ts";
import { confirm } from "./confirm.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology } from "./load.ts";

export const usage = "holdfast down [FILE|BLUEPRINT|NAME] [--yes] [--json]";

/** Destroys a lab and everything in it, and proves that nothing is left. Works on any half-made state. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals, values } = parseCommand(args, usage, { yes: { type: "boolean" } });
  const name = await findName(positionals[0], io);
  await confirm(`Destroy the lab ${name} with all its data?`, values.yes === true, io);
  const kept = await takeDown(name, io);
  if (io.json) io.stdout(JSON.stringify({ type: "down", topology: name, kept: kept ?? null }));
  else
    io.stdout(
      `${name} is down; nothing is left${kept === undefined ? "" : ` but the drills' results in ${kept}`}`,
    );
  return ExitStatus.ok;
}

/** @returns the folder with drill results, when there are some: they outlive the lab. */
export async function takeDown(name: string, io: CommandIo): Promise<string | undefined> {
  const directory = stateDirectory(io.home, name);
  const lock = await takeLock(directory, "down");
  try {
    const lab = await openLab({ home: io.home, name, reporter: io.reporter });
    await lab.destroy();
    // Secrets and certificates go last: while machines exist, `up` must be able to go on with them.
    const entries = await readdir(directory);
    for (const entry of entries.filter((entry) => entry !== "drills")) {
      await rm(join(directory, entry), { recursive: true });
    }
    const drills = entries.includes("drills");
    if (!drills) await rm(directory, { recursive: true });
    return drills ? join(directory, "drills") : undefined;
  } finally {
    await lock.release();
  }
}

/** A broken or missing topology file must not keep anybody from cleaning up: a plain name is enough. */
async function findName(argument: string | undefined, io: CommandIo): Promise<string> {
  if (argument !== undefined && /^[a-z][a-z0-9-]*$/.test(argument)) {
    const known = await readIfExists(join(stateDirectory(io.home, argument), "topology.json"));
    const lab = await readIfExists(join(io.home, "labs", argument, "lab.json"));
    if (known !== null || lab !== null) return argument;
  }
  const { topology } = await loadTopology(argument, io).catch((error: unknown) => {
    if (!(error instanceof HoldfastError)) throw error;
    throw new HoldfastError(error.message, {
      fix: "to take a lab down whose file is gone or broken, give its name: holdfast down <name>",
      exitStatus: error.exitStatus,
      cause: error,
    });
  });
  return topology.name;
}
