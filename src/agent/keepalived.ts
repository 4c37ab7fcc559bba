import { lstat, readdir, readFile, readlink, unlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { firstInstance, stateInDump, type VrrpState } from "../core/engines/keepalived/state.ts";

/** How long keepalived may take to write its dump: it takes 2 ms, and it may wait for a busy CPU. */
const DUMP_MS = 500;
/** In the bit mask of /proc/<pid>/status. */
const SIGUSR1_BIT = 1n << 9n;

/** The first keepalived process (the parent of the one that does VRRP); null when none lives. */
export async function keepalivedPid(): Promise<number | null> {
  const parents = new Map<number, number>();
  for (const entry of await readdir("/proc")) {
    const parent = /^\d+$/.test(entry) ? await parentOfKeepalived(Number(entry)) : null;
    if (parent !== null && (await sharesNetwork(entry))) parents.set(Number(entry), parent);
  }
  for (const [pid, parent] of parents) if (!parents.has(parent)) return pid;
  return null;
}

/** A container of this host may run a keepalived of its own: it is seen in /proc and is not this host's. */
async function sharesNetwork(pid: string): Promise<boolean> {
  const own = await readlink("/proc/self/ns/net");
  const other = await readlink(`/proc/${pid}/ns/net`).catch(() => null);
  // Not readable without root: then nothing else about it is, and whoever asks is told so.
  return other === null || other === own;
}

/** Whether this process is a keepalived that lives. */
export const isKeepalived = async (pid: number): Promise<boolean> => (await parentOfKeepalived(pid)) !== null;

async function parentOfKeepalived(pid: number): Promise<number | null> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  if (!stat.startsWith(`${pid} (keepalived) `)) return null;
  const [state = "", parent = ""] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return state === "Z" || state === "X" ? null : Number(parent);
}

/**
 * The state of a VRRP instance by keepalived's own word of this moment: SIGUSR1 makes every version
 * of it write what it knows to a file in /tmp. Nothing else says the state reliably: notifications tell
 * of changes only, a reload tells nothing, and the guide's configuration has no address on an interface.
 * @param instance the empty string means the only one
 * @returns null when keepalived does not answer
 */
export async function askKeepalived(pid: number, instance: string): Promise<VrrpState | null> {
  if (!(await handlesSignal(pid))) return null;
  // Its own /tmp: systemd may have given it a private one.
  const path = `/proc/${pid}/root/tmp/keepalived.data`;
  const before = await lstat(path).catch(() => null);
  // Only what is written from now on counts. When the file cannot be removed, its time of change tells.
  await unlink(path).catch(() => undefined);
  try {
    process.kill(pid, "SIGUSR1");
  } catch {
    return null; // it ended meanwhile
  }
  const until = performance.now() + DUMP_MS;
  while (performance.now() < until) {
    const there = await lstat(path).catch(() => null);
    const fresh = there !== null && (there.ino !== before?.ino || there.mtimeMs !== before.mtimeMs);
    // Anybody may write to /tmp; only root's word counts.
    if (fresh && there.isFile() && there.uid === 0) {
      const dump = await readFile(path, "utf8").catch(() => "");
      const state = stateInDump(dump, instance === "" ? (firstInstance(dump) ?? "") : instance);
      if (state !== null) return state;
    }
    await sleep(2);
  }
  return null;
}

/** SIGUSR1 would kill a keepalived that has only just started and does not handle it yet. */
async function handlesSignal(pid: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const masks = [...status.matchAll(/^Sig(?:Blk|Cgt):\s*([0-9a-f]+)$/gm)];
  return masks.some(([, mask]) => (BigInt(`0x${mask}`) & SIGUSR1_BIT) !== 0n);
}
