import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import { poll } from "../../lib/retry.ts";
import { identify, type ProcessId, signal } from "./processes.ts";

/** The hierarchies that hold a machine's processes: systemd's (v1 or v2), and those that freeze it and share the CPU. */
interface Hierarchy {
  readonly mount: string;
  readonly kind: "unified" | "systemd" | "freezer" | "cpu";
}

/**
 * One machine's cgroups, as full paths: one directory per hierarchy that matters. Made by us where
 * no systemd runs the host; by systemd (`systemd-run`) where one does.
 */
export type Cgroups = readonly string[];

let known: Promise<readonly Hierarchy[]> | undefined;

/** Creates a machine's cgroup in every hierarchy. */
export async function createCgroups(lab: string, machine: string): Promise<Cgroups> {
  const paths = (await hierarchies()).map((hierarchy) => machineCgroup(hierarchy, lab, machine));
  for (const path of paths) {
    await mkdir(path, { recursive: true });
    if (sharesCpu(path)) {
      await mkdir(backgroundCgroup(path), { recursive: true });
      await write(backgroundCgroup(path), "cpu.shares", String(BACKGROUND_SHARES));
    }
    // A group has no right to real-time scheduling (keepalived's, when a machine is busy) unless it is given some.
    await write(path, "cpu.rt_runtime_us", String(REAL_TIME_US)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EINVAL") throw error; // all that there is has been given to other machines
    });
  }
  return paths;
}

/** Of each second. Enough for VRRP's few packets; 20 machines get it, of the kernel's 0.95 s for all. */
const REAL_TIME_US = 40_000;

/**
 * `holdfast/<lab>/<machine>`. All machines side by side where the CPU is shared: each gets as much as any
 * other, whatever runs on it, so that one that boots takes little from those that serve. (Below a common
 * parent they would together get as much as one process of the host.)
 */
const machineCgroup = ({ mount, kind }: Hierarchy, lab: string, machine: string): string =>
  kind === "cpu" ? join(mount, `${cpuPrefix(lab)}${machine}`) : join(mount, "holdfast", lab, machine);

/** No name of a lab or machine has a dot. */
const cpuPrefix = (lab: string): string => `holdfast.${lab}.`;

/**
 * Where a command joins a machine. cgroup v2 allows processes only in leaves, so in one beside the
 * container's own; but where the CPU is shared in the machine's own, or in that of all that only watches.
 */
export function commandCgroups(cgroups: Cgroups, background = false): string[] {
  return cgroups.map((path) => {
    if (!sharesCpu(path)) return join(path, "run");
    return background ? backgroundCgroup(path) : path;
  });
}

const sharesCpu = (path: string): boolean => basename(path).startsWith("holdfast.");

/** One for all machines of the lab. No machine's name has a plus. */
const backgroundCgroup = (path: string): string => `${path.slice(0, path.lastIndexOf("."))}.+background`;

/** A machine's is 1024. Watching seven machines takes a second of CPU: theirs comes first, and it still gets on. */
const BACKGROUND_SHARES = 256;

/** The cgroup that a process is in, in every hierarchy. */
export async function cgroupsOf(pid: number): Promise<Cgroups> {
  const lines = (await readFile(`/proc/${pid}/cgroup`, "utf8")).trim().split("\n");
  return (await hierarchies()).flatMap(({ mount, kind }) => {
    const controller = { unified: "", systemd: "name=systemd", freezer: "freezer", cpu: "cpu" }[kind];
    const line = lines
      .map((text) => text.split(":"))
      .find((fields) => fields[1]?.split(",").includes(controller) === true);
    return line === undefined ? [] : [join(mount, line.slice(2).join(":"))];
  });
}

/** All cgroup directories that exist of a lab; `machine` narrows to one. */
export async function existingCgroups(lab: string, machine = ""): Promise<string[]> {
  const found = await Promise.all(
    (await hierarchies()).map(async (hierarchy) => {
      const own = machineCgroup(hierarchy, lab, machine);
      const below = (await subdirectories(dirname(own))) ?? [];
      // A lab is a directory of its own, or all those with its prefix.
      const isPrefix = machine === "" && hierarchy.kind === "cpu";
      const wanted = (name: string): boolean =>
        isPrefix ? name.startsWith(basename(own)) : name === basename(own);
      return below.filter(wanted).map((name) => join(dirname(own), name));
    }),
  );
  return found.flat();
}

/** Every process in the cgroups and below them. */
export async function members(cgroups: Cgroups): Promise<ProcessId[]> {
  const pids = new Set<number>();
  for (const path of cgroups) {
    for (const directory of await tree(path)) {
      const text = await readFile(join(directory, "cgroup.procs"), "utf8").catch(() => "");
      for (const line of text.split("\n")) if (line !== "") pids.add(Number(line));
    }
  }
  return [...pids].flatMap((pid) => identify(pid) ?? []);
}

/**
 * Kills everything in the cgroups, and waits until nothing is left.
 * @throws HoldfastError when processes are still there after 15 s (stuck in the kernel).
 */
export async function killAll(cgroups: Cgroups): Promise<void> {
  if (cgroups.length === 0) return;
  const mine = (await members(cgroups)).some(({ pid }) => pid === 1 || pid === process.pid);
  if (mine)
    throw new Error(
      `${cgroups.join(", ")}: not a machine's cgroups: this process or the host's first is in them`,
    );
  await poll(
    async () => {
      // Atomic, also against processes that fork while they are being killed; kernels from 5.14.
      for (const path of cgroups) await write(path, "cgroup.kill", "1");
      const left = await members(cgroups);
      for (const member of left) signal(member, "SIGKILL");
      await thaw(cgroups); // a v1 freezer holds even a SIGKILL back
      return left.length === 0;
    },
    { deadlineMs: 15_000, intervalMs: 10, what: `the processes in ${cgroups.join(", ")} to die` },
  );
}

/** Removes the cgroups with everything below. They must be empty of processes. */
export async function removeCgroups(cgroups: Cgroups): Promise<void> {
  for (const path of cgroups) {
    await poll(
      async () => {
        for (const directory of (await tree(path)).toReversed()) {
          await rmdir(directory).catch((error: NodeJS.ErrnoException) => {
            // EBUSY: the kernel is still taking down the last process that was in it.
            if (error.code !== "ENOENT") throw error;
          });
        }
        return true;
      },
      { deadlineMs: 10_000, intervalMs: 20, what: `cgroup ${path} to become empty` },
    );
  }
}

/** Removes the lab's own cgroup level (and `holdfast` itself when no other lab is left). */
export async function removeLabCgroups(lab: string): Promise<void> {
  await removeCgroups(await existingCgroups(lab));
  // ENOTEMPTY/EBUSY: another lab runs.
  for (const { mount } of await hierarchies()) await rmdir(join(mount, "holdfast")).catch(() => undefined);
}

/** Stops every process of the cgroups where it stands. */
export async function freeze(cgroups: Cgroups): Promise<void> {
  for (const path of cgroups) {
    if (await write(path, "cgroup.freeze", "1")) {
      return waitUntil(path, "cgroup.events", /^frozen 1$/m);
    }
    if (await write(path, "freezer.state", "FROZEN")) return waitUntil(path, "freezer.state", /^FROZEN$/m);
  }
  throw new HoldfastError("this kernel has no cgroup freezer, so a machine cannot be paused", {
    fix: "use a kernel with cgroup v2 (5.2 or newer) or the v1 freezer controller",
  });
}

export async function thaw(cgroups: Cgroups): Promise<void> {
  for (const path of cgroups) {
    await write(path, "cgroup.freeze", "0");
    await write(path, "freezer.state", "THAWED");
  }
}

export async function isFrozen(cgroups: Cgroups): Promise<boolean> {
  for (const path of cgroups) {
    const [v2, v1] = await Promise.all([
      readFile(join(path, "cgroup.freeze"), "utf8").catch(() => ""),
      readFile(join(path, "freezer.state"), "utf8").catch(() => ""),
    ]);
    if (v2.trim() === "1" || /^FR(EEZ|OZEN)/.test(v1)) return true;
  }
  return false;
}

/** True when the host has a cgroup hierarchy that machines can be put into. */
export async function hasCgroups(): Promise<boolean> {
  return (await hierarchies()).length > 0;
}

async function waitUntil(path: string, file: string, pattern: RegExp): Promise<void> {
  await poll(async () => pattern.test(await readFile(join(path, file), "utf8")), {
    deadlineMs: 10_000,
    intervalMs: 5,
    what: `${path} to freeze`,
  });
}

/** @returns false when the file does not exist (another hierarchy or an older kernel) */
async function write(path: string, file: string, text: string): Promise<boolean> {
  try {
    await writeFile(join(path, file), text, { flag: "r+" });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "EACCES" || code === "ENODEV") return false;
    throw error;
  }
}

/** The directory and all below it, parents first; empty when it does not exist. */
async function tree(path: string): Promise<string[]> {
  const children = await subdirectories(path);
  if (children === undefined) return [];
  const below = await Promise.all(children.map((name) => tree(join(path, name))));
  return [path, ...below.flat()];
}

async function subdirectories(path: string): Promise<string[] | undefined> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined);
  return entries?.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

async function hierarchies(): Promise<readonly Hierarchy[]> {
  known ??= readFile("/proc/self/mountinfo", "utf8").then(parseHierarchies);
  return known;
}

/** Finds the hierarchies in /proc/self/mountinfo text. v2 comes first: its freezer and kill are the better ones. */
export function parseHierarchies(mountinfo: string): Hierarchy[] {
  const found = mountinfo.split("\n").flatMap((line): Hierarchy[] => {
    const [left = "", right = ""] = line.split(" - ");
    const mount = left.split(" ")[4] ?? "";
    const [type, , options = ""] = right.split(" ");
    if (type === "cgroup2") return [{ mount, kind: "unified" }];
    if (type !== "cgroup") return [];
    const flags = options.split(",");
    if (flags.includes("name=systemd")) return [{ mount, kind: "systemd" }];
    if (flags.includes("freezer")) return [{ mount, kind: "freezer" }];
    return flags.includes("cpu") ? [{ mount, kind: "cpu" }] : [];
  });
  const first = (kind: Hierarchy["kind"]) => found.filter((entry) => entry.kind === kind).slice(0, 1);
  return [...first("unified"), ...first("systemd"), ...first("freezer"), ...first("cpu")];
}
