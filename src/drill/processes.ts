/** Processes on a host, told apart from later ones with the same pid by their start time. */
import type { Host } from "../ports.ts";

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot: field 22 of /proc/<pid>/stat. */
  readonly startTime: string;
}

/** Those of the pids that exist and are not zombies. */
export async function identify(host: Host, pids: readonly number[]): Promise<ProcessIdentity[]> {
  if (pids.length === 0) return [];
  // cat fails for those that are gone and prints the others.
  const { stdout } = await host.run(["cat", ...pids.map((pid) => `/proc/${pid}/stat`)]);
  return stdout.split("\n").flatMap(parseStat);
}

/** True when every one of these processes has ended, even if a pid is in use again. */
export async function allGone(host: Host, processes: readonly ProcessIdentity[]): Promise<boolean> {
  const alive = await identify(
    host,
    processes.map(({ pid }) => pid),
  );
  return !processes.some((old) =>
    alive.some((now) => now.pid === old.pid && now.startTime === old.startTime),
  );
}

function parseStat(line: string): ProcessIdentity[] {
  // The name, in brackets, may itself hold spaces and brackets: count from the last one.
  const afterName = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const pid = Number.parseInt(line, 10);
  const [state] = afterName;
  const startTime = afterName[19];
  if (!Number.isInteger(pid) || startTime === undefined || state === "Z" || state === "X") return [];
  return [{ pid, startTime }];
}
