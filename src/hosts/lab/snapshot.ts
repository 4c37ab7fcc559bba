import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { readIfExists, writeFileAtomic } from "../../lib/atomic.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { execOk } from "../../lib/exec.ts";
import type { LabMachine } from "./machine.ts";

/** A disk full of databases is copied, not cloned, where the file system cannot share blocks. */
const copyTimeoutMs = 600_000;

export interface SnapshotOptions {
  /** Absolute paths on the machine that are left out, with all below them. */
  readonly without?: readonly string[];
  /** What is remembered with it. */
  readonly about?: Readonly<Record<string, unknown>>;
}

/**
 * Copies a machine's disk (what it has changed of its base image) to a directory that must not
 * exist yet. The machine must be off or paused, or files would be caught in the middle of a write.
 * @throws HoldfastError when it runs, the directory exists or the disk is full (nothing is left then)
 */
export async function snapshot(
  machine: LabMachine,
  directory: string,
  { without = [], about = {} }: SnapshotOptions = {},
): Promise<void> {
  const state = await machine.state();
  if (state !== "off" && state !== "paused") {
    throw new HoldfastError(`machine ${machine.name} is ${state}: its disk cannot be copied`, {
      fix: "power it off or pause it first",
    });
  }
  if (await exists(directory)) throw new HoldfastError(`snapshot directory ${directory} exists already`);
  const unfinished = `${directory}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  try {
    await mkdir(unfinished, { recursive: true, mode: 0o700 });
    const upper = join(unfinished, "upper");
    await copyLayer(machine.paths.upper, upper);
    for (const path of without) await rm(join(upper, path), { recursive: true, force: true });
    const description = { ...about, image: machine.image, sha256: await layerDigest(upper) };
    await writeFileAtomic(join(unfinished, "snapshot.json"), JSON.stringify(description));
    await rename(unfinished, directory);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}

/** What was recorded of a snapshot; null when there is none. */
export async function describeSnapshot(directory: string): Promise<Record<string, unknown> | null> {
  const description = await readIfExists(join(directory, "snapshot.json"));
  return description === null ? null : (JSON.parse(description) as Record<string, unknown>);
}

/** Whether a snapshot's files are as they were when it was made. */
export async function isIntact(directory: string): Promise<boolean> {
  const description = await describeSnapshot(directory);
  return description !== null && description["sha256"] === (await layerDigest(join(directory, "upper")));
}

/** Of names, modes, owners, times of change, attributes and content; tar would add when it was read, and its own pid. */
async function layerDigest(layer: string): Promise<string> {
  const stable = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime";
  const whole = "--sort=name --xattrs --xattrs-include='*' --numeric-owner";
  const output = await execOk(
    [
      "bash",
      "-euo",
      "pipefail",
      "-c",
      `tar --create --format=posix ${stable} ${whole} --directory="$1" . | sha256sum`,
      "bash",
      layer,
    ],
    `reading ${layer}`,
    { timeoutMs: copyTimeoutMs },
  );
  return output.split(" ")[0] ?? "";
}

/**
 * Gives a machine the disk of a snapshot, made from it or from another machine of the same base image.
 * The old disk stays until the new one is complete; a machine that has none yet gets its first.
 * @throws HoldfastError when the machine is on, or the snapshot does not exist
 */
export async function restore(machine: LabMachine, directory: string): Promise<void> {
  const state = await machine.state();
  if (state !== "off" && state !== "absent") {
    throw new HoldfastError(`machine ${machine.name} is ${state}: its disk cannot be replaced`, {
      fix: "power it off first",
    });
  }
  const description = await describeSnapshot(directory);
  if (description === null) throw new HoldfastError(`there is no snapshot in ${directory}`);
  const { image } = description;
  if (image !== machine.image) {
    throw new HoldfastError(
      `the snapshot in ${directory} stands on base image ${String(image)}, machine ${machine.name} on ${machine.image}`,
      { fix: "restore it to a machine of the same base image" },
    );
  }
  const { upper, work } = machine.paths;
  await mkdir(upper, { recursive: true, mode: 0o755 });
  const incoming = join(machine.paths.directory, "upper.incoming");
  const old = join(machine.paths.directory, "upper.old");
  await rm(incoming, { recursive: true, force: true });
  await rm(old, { recursive: true, force: true });
  try {
    await copyLayer(join(directory, "upper"), incoming);
    await machine.writeIdentity(incoming);
  } catch (error) {
    await rm(incoming, { recursive: true, force: true });
    throw error;
  }
  await rename(upper, old);
  await rename(incoming, upper);
  await rm(old, { recursive: true, force: true });
  await rm(work, { recursive: true, force: true });
}

/** Copies with owners, times, and what makes an overlay's layer: whiteouts (devices) and trusted.* attributes. */
async function copyLayer(from: string, to: string): Promise<void> {
  await execOk(
    ["cp", "--archive", "--reflink=auto", "--sparse=always", "--no-target-directory", from, to],
    `copying ${from}`,
    { timeoutMs: copyTimeoutMs },
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
