import { readdir, readFile } from "node:fs/promises";

/**
 * A question: does a process of this name live on this host? It looks at the one found last, and
 * through /proc only when that one is gone, so asking ten times a second costs one small read each.
 */
export function livingProcess(name: string): () => Promise<boolean> {
  let last: string | undefined;
  return async () => {
    if (last !== undefined && (await isAlive(last, name))) return true;
    last = undefined;
    for (const pid of await readdir("/proc")) {
      if (!/^\d+$/.test(pid) || !(await isAlive(pid, name))) continue;
      last = pid;
      return true;
    }
    return false;
  };
}

async function isAlive(pid: string, name: string): Promise<boolean> {
  try {
    // "812 (keepalived) S …": a killed process that nobody has waited for yet is Z, and dead.
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    return stat.startsWith(`${pid} (${name}) `) && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return false; // it ended meanwhile
  }
}
