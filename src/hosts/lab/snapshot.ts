import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { readIfExists, writeFileAtomic } from "../../lib/atomic.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { execOk } from "../../lib/exec.ts";
import type { LabMachine } from "./machine.ts";

/** A disk full of databases is copied, not cloned, where the file system cannot share blocks. */
const copyTimeoutMs = 600_000;

/**
 * Copies a machine's disk (what it has changed of its base image) to a directory that must not
 * exist yet. The machine must be off or paused, or files would be caught in the middle of a write.
 * @throws HoldfastError when it runs, the directory exists or the disk is full (nothing is left then)
 */
export async function snapshot(machine: LabMachine, directory: string): Promise<void> {
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
    await copyLayer(machine.paths.upper, join(unfinished, "upper"));
    await writeFileAtomic(join(unfinished, "snapshot.json"), JSON.stringify({ image: machine.image }));
    await rename(unfinished, directory);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Gives a machine the disk of a snapshot, made from it or from another machine of the same base image.
 * The old disk stays until the new one is complete.
 * @throws HoldfastError when the machine is not off, or the snapshot does not exist
 */
export async function restore(machine: LabMachine, directory: string): Promise<void> {
  const state = await machine.state();
  if (state !== "off") {
    throw new HoldfastError(`machine ${machine.name} is ${state}: its disk cannot be replaced`, {
      fix: "power it off first",
    });
  }
  const description = await readIfExists(join(directory, "snapshot.json"));
  if (description === null) throw new HoldfastError(`there is no snapshot in ${directory}`);
  const { image } = JSON.parse(description) as { image: string };
  if (image !== machine.image) {
    throw new HoldfastError(
      `the snapshot in ${directory} stands on base image ${image}, machine ${machine.name} on ${machine.image}`,
      { fix: "restore it to a machine of the same base image" },
    );
  }
  const { upper, work } = machine.paths;
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
