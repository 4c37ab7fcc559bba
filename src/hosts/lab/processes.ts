import { readFileSync } from "node:fs";
import { readdir, readFile, readlink, stat } from "node:fs/promises";

/**
 * A process that cannot be confused with another one: the kernel reuses process ids, but not
 * together with the same start time (clock ticks since boot, field 22 of /proc/<pid>/stat).
 */
export interface ProcessId {
  readonly pid: number;
  readonly startTime: string;
}

/** The process now behind a pid; undefined when there is none, or only its zombie. */
export function identify(pid: number): ProcessId | undefined {
  const fields = statFields(pid);
  if (fields === undefined || fields.state === "Z" || fields.state === "X") return undefined;
  return { pid, startTime: fields.startTime };
}

export function isAlive(process: ProcessId): boolean {
  return identify(process.pid)?.startTime === process.startTime;
}

/**
 * True while the process does its work. The first process of a PID namespace that is being killed
 * stays visible until all the others are dead, but is no longer running.
 */
export function isRunning(process: ProcessId): boolean {
  const exiting = ((statFields(process.pid)?.flags ?? 0) & 0x4) !== 0; // PF_EXITING of linux/sched.h
  return isAlive(process) && !exiting;
}

/** Sends a signal to exactly that process; nothing when it is gone. */
export function signal(target: ProcessId, name: NodeJS.Signals): void {
  if (!isAlive(target)) return;
  try {
    process.kill(target.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

export async function childrenOf(pid: number): Promise<number[]> {
  const pids = await allPids();
  return pids.filter((candidate) => statFields(candidate)?.parent === pid);
}

/** True for the first process of a PID namespace one below ours. */
export async function isNamespaceInit(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return /^NSpid:\t\d+\t1$/m.test(status);
}

/**
 * Processes whose root directory is under `directory`, or whose network
 * namespace is one of `namespaces` (inode numbers).
 */
export async function processesIn(directory: string, namespaces: ReadonlySet<number>): Promise<ProcessId[]> {
  const found: ProcessId[] = [];
  for (const pid of await allPids()) {
    if (pid === process.pid) continue;
    const [root, namespace] = await Promise.all([
      readlink(`/proc/${pid}/root`).catch(() => ""),
      stat(`/proc/${pid}/ns/net`).then(
        (entry) => entry.ino,
        () => -1,
      ),
    ]);
    const inside = root === directory || root.startsWith(`${directory}/`);
    const identity = inside || namespaces.has(namespace) ? identify(pid) : undefined;
    if (identity !== undefined) found.push(identity);
  }
  return found;
}

/** Command line for a message; empty for a kernel thread or a process that has gone. */
export async function commandLine(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return text.replaceAll("\0", " ").trim().slice(0, 100);
}

async function allPids(): Promise<number[]> {
  const entries = await readdir("/proc");
  return entries.filter((name) => /^\d+$/.test(name)).map(Number);
}

function statFields(
  pid: number,
): { state: string; parent: number; flags: number; startTime: string } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // The command name (field 2) is in parentheses and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, parent] = fields;
  const flags = Number(fields[6]);
  const startTime = fields[19];
  if (state === undefined || parent === undefined || startTime === undefined) return undefined;
  return { state, parent: Number(parent), flags, startTime };
}
