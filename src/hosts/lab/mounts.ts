import { readFile } from "node:fs/promises";
import { exec, execOk } from "../../lib/exec.ts";
import { poll } from "../../lib/retry.ts";

/** Mount points at or under a directory, deepest first. */
export async function mountsUnder(directory: string): Promise<string[]> {
  const text = await readFile("/proc/self/mountinfo", "utf8");
  return text
    .split("\n")
    .flatMap((line) => line.split(" ")[4] ?? [])
    .map((path) =>
      path.replaceAll(/\\([0-7]{3})/g, (_, code: string) => String.fromCharCode(parseInt(code, 8))),
    )
    .filter((path) => path === directory || path.startsWith(`${directory}/`))
    .toReversed();
}

/** Mounts an overlay of `upper` over the read-only `lower`; nothing when it is mounted already. */
export async function mountOverlay(layers: {
  lower: string;
  upper: string;
  work: string;
  root: string;
}): Promise<void> {
  if ((await mountsUnder(layers.root)).length > 0) return;
  const options = `lowerdir=${layers.lower},upperdir=${layers.upper},workdir=${layers.work}`;
  await execOk(["mount", "-t", "overlay", "holdfast", "-o", options, layers.root], `mounting ${layers.root}`);
}

/**
 * Unmounts everything at or under a directory.
 * @throws HoldfastError when a mount is still in use after 10 s, with umount's own words
 */
export async function unmountUnder(directory: string): Promise<void> {
  await poll(
    async () => {
      const mounts = await mountsUnder(directory);
      for (const path of mounts) {
        const result = await exec(["umount", path]);
        if (result.code !== 0 && (await mountsUnder(path)).length > 0) throw new Error(result.stderr.trim());
      }
      return true;
    },
    {
      deadlineMs: 10_000,
      what: `everything under ${directory} to be unmounted`,
      fix: `leave the directory if a shell stands in it (fuser -vm ${directory} tells who uses it)`,
    },
  );
}
