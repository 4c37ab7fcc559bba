/** Whether a directory is a mount point: the kernel's list is asked, because a bind mount of the same
 *  file system has the same device number as its parent. */
import { readFile, realpath } from "node:fs/promises";

/** @param mountinfo text of /proc/self/mountinfo. */
export function isMounted(mountinfo: string, directory: string): boolean {
  return mountinfo.split("\n").some((line) => {
    const point = line.split(" ")[4];
    // The kernel writes space, tab, newline and backslash as octal.
    return (
      point?.replaceAll(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))) ===
      directory
    );
  });
}

/** @throws when the directory does not exist. */
export async function isMountPoint(directory: string): Promise<boolean> {
  return isMounted(await readFile("/proc/self/mountinfo", "utf8"), await realpath(directory));
}
