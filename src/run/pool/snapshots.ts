/** Snapshots of an app host: what new members of the pool are made from. */
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { DesiredHost } from "../../core/plan/desired.ts";
import { presentTopology } from "../../core/topology/pool.ts";
import { openLab } from "../../hosts/lab/lab.ts";
import { describeSnapshot, isIntact, snapshot } from "../../hosts/lab/snapshot.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { admitHost, drainHost, entryHosts } from "../drain.ts";
import { openProvider } from "../provider.ts";
import { loadState } from "../state.ts";
import type { PoolPlace } from "./hosts.ts";

const DRAIN_MS = 30_000;

const snapshotSchema = z.object({
  id: z.string(),
  host: z.string(),
  /** Of the app. */
  version: z.string(),
  /** ISO 8601. */
  createdAt: z.string(),
  /** Base image that it stands on. */
  image: z.string(),
  sha256: z.string(),
});
export type Snapshot = z.output<typeof snapshotSchema>;

const directoryOf = (directory: string, id = ""): string => join(directory, "snapshots", id);

/**
 * Makes one of an app host, which is out of the pool meanwhile and stands still while its disk is copied.
 * What `up` writes on a host (configuration, certificates, secrets), who it is and what it has logged are not in it.
 * @throws HoldfastError when it is the only host that serves; HostUnreachable
 */
export async function createSnapshot(place: PoolPlace, host: string, now: Date): Promise<Snapshot> {
  const { full, file, directory, home, root, reporter } = place;
  const { hosts } = await openProvider(full, home, reporter);
  const machine = (await openLab({ home, name: full.name, reporter })).machine(host);
  const state = await loadState(presentTopology(full, [host]), file, root, home);
  const version = state.artifacts.app?.version ?? "";
  const createdAt = now.toISOString();
  const id = `${version}-${createdAt.replaceAll(/[-:]|\.\d+/g, "")}`;
  const entries = entryHosts(full, hosts);
  await drainHost(entries, host, { deadlineMs: DRAIN_MS });
  try {
    await machine.pause();
    try {
      const without = leftOut(state.desired.get(host), full.app.name);
      const about = { id, host, version, createdAt };
      await snapshot(machine, directoryOf(directory, id), { without, about });
    } finally {
      await machine.resume();
    }
  } finally {
    await admitHost(entries, host, full.app.health);
  }
  return found(await readSnapshot(directory, id), id);
}

/** Everything that is this host's own, or written anew on the next one. */
function leftOut(desired: DesiredHost | undefined, app: string): string[] {
  if (desired === undefined) return [];
  const written = desired.files.filter(({ content }) => content.kind === "text").map(({ path }) => path);
  // Not started before they are written: a unit that fails for want of its files would give up.
  const wanted = desired.units.flatMap(({ name }) =>
    ["multi-user.target", "sockets.target", "timers.target"].map(
      (target) => `/etc/systemd/system/${target}.wants/${name}`,
    ),
  );
  return [
    ...written,
    ...wanted,
    "/etc/machine-id",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/holdfast/tls",
    "/etc/holdfast/app",
    "/var/lib/holdfast/applied",
    "/var/lib/holdfast/manifest.json",
    "/var/lib/holdfast/app-postinstall",
    "/var/lib/systemd/random-seed",
    `/var/backups/${app}`,
    "/var/log",
    "/var/tmp",
    "/root",
    ...["rsa", "ecdsa", "ed25519"].flatMap((kind) =>
      ["", ".pub"].map((end) => `/etc/ssh/ssh_host_${kind}_key${end}`),
    ),
  ];
}

/** All of them, the newest first. */
export async function listSnapshots(directory: string): Promise<Snapshot[]> {
  const names = await readdir(directoryOf(directory)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const all = await Promise.all(names.map((id) => readSnapshot(directory, id)));
  return all.filter((one) => one !== null).sort((one, other) => other.createdAt.localeCompare(one.createdAt));
}

async function readSnapshot(directory: string, id: string): Promise<Snapshot | null> {
  // What was cut while it was made or deleted has another name than it says.
  const { data } = snapshotSchema.safeParse(await describeSnapshot(directoryOf(directory, id)));
  return data?.id === id ? data : null;
}

/** @throws HoldfastError when there is none of that id */
export async function showSnapshot(
  directory: string,
  id: string,
): Promise<Snapshot & { readonly intact: boolean }> {
  const known = found(await readSnapshot(directory, id), id);
  return { ...known, intact: await isIntact(directoryOf(directory, id)) };
}

/** @throws HoldfastError when there is none of that id */
export async function deleteSnapshot(directory: string, id: string): Promise<void> {
  found(await readSnapshot(directory, id), id);
  // Gone at once, whatever becomes of the rest.
  const going = directoryOf(directory, `${id}.deleted`);
  await rename(directoryOf(directory, id), going);
  await rm(going, { recursive: true, force: true });
}

function found(snapshot: Snapshot | null, id: string): Snapshot {
  if (snapshot !== null) return snapshot;
  throw new HoldfastError(`there is no snapshot ${id}`, { fix: "holdfast snapshot list" });
}

/** The directory of the newest that a new host of this release can be made from; null: there is none. */
export async function usableSnapshot(
  directory: string,
  wanted: { readonly version: string; readonly image: string },
): Promise<string | null> {
  for (const { id, version, image } of await listSnapshots(directory)) {
    const path = directoryOf(directory, id);
    if (version === wanted.version && image === wanted.image && (await isIntact(path))) return path;
  }
  return null;
}
