import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { LabMachine } from "../../hosts/lab/machine.ts";
import { snapshot } from "../../hosts/lab/snapshot.ts";
import { deleteSnapshot, listSnapshots, showSnapshot, usableSnapshot } from "./snapshots.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "holdfast-snapshots-"));
});
afterEach(() => rm(directory, { recursive: true }));

/** A machine that is off, whose disk has these files. */
async function machineWith(files: Readonly<Record<string, string>>): Promise<LabMachine> {
  const upper = join(directory, "disk");
  for (const [path, content] of Object.entries(files)) {
    await mkdir(join(upper, path, ".."), { recursive: true });
    await writeFile(join(upper, path), content);
  }
  return {
    name: "app1",
    image: "base",
    paths: { upper },
    state: () => Promise.resolve("off"),
  } as unknown as LabMachine;
}

async function make(id: string, createdAt: string, version = "1.0.0"): Promise<string> {
  const machine = await machineWith({ "opt/app/run": "one", "etc/secret": "hidden" });
  const path = join(directory, "snapshots", id);
  await mkdir(join(directory, "snapshots"), { recursive: true });
  const about = { id, host: "app1", version, createdAt };
  await snapshot(machine, path, { without: ["/etc/secret"], about });
  return path;
}

it("are listed, the newest first, without what was cut while it was made", async () => {
  expect(await listSnapshots(directory)).toEqual([]);
  await make("old", "2026-01-01T00:00:00.000Z");
  await make("new", "2026-01-02T00:00:00.000Z");
  await mkdir(join(directory, "snapshots/cut.unfinished/upper"), { recursive: true });
  await mkdir(join(directory, "snapshots/empty"));
  expect((await listSnapshots(directory)).map(({ id }) => id)).toEqual(["new", "old"]);
});

it("leave out what they should, and notice a change of what is in them", async () => {
  const path = await make("one", "2026-01-01T00:00:00.000Z");
  expect((await showSnapshot(directory, "one")).intact).toBe(true);
  await rm(join(path, "upper/etc/secret")).then(
    () => expect.unreachable("the secret was copied"),
    () => undefined,
  );
  await writeFile(join(path, "upper/opt/app/run"), "two");
  expect((await showSnapshot(directory, "one")).intact).toBe(false);
});

it("serve a new host only of the same release and base image, and undamaged", async () => {
  const first = await make("first", "2026-01-01T00:00:00.000Z");
  const second = await make("second", "2026-01-02T00:00:00.000Z");
  await make("other", "2026-01-03T00:00:00.000Z", "2.0.0");
  const wanted = { version: "1.0.0", image: "base" };
  expect(await usableSnapshot(directory, wanted)).toBe(second);
  await writeFile(join(second, "upper/opt/app/run"), "two");
  expect(await usableSnapshot(directory, wanted)).toBe(first);
  expect(await usableSnapshot(directory, { ...wanted, image: "newer" })).toBeNull();
});

it("are gone when they are deleted", async () => {
  await make("one", "2026-01-01T00:00:00.000Z");
  await deleteSnapshot(directory, "one");
  expect(await listSnapshots(directory)).toEqual([]);
  await expect(deleteSnapshot(directory, "one")).rejects.toThrow(/no snapshot one/);
});
