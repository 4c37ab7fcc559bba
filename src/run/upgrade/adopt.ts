import { chown, readFile, realpath, stat } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { editText } from "../../core/topology/rewrite.ts";
import { writeFileAtomic } from "../../lib/atomic.ts";
import { HoldfastError } from "../../lib/errors.ts";

/**
 * Makes the topology file name another package, and changes nothing else in it. Again is harmless.
 * @param archive absolute path
 * @throws HoldfastError when the file cannot be changed
 */
export async function adoptPackage(file: string, archive: string): Promise<void> {
  const target = await realpath(file);
  const [text, { mode, uid, gid }] = await Promise.all([readFile(target, "utf8"), stat(target)]);
  const path = relative(dirname(target), archive);
  // Anything else could mean something in YAML; a JSON string is one there, too.
  const value = /^[\w./@+-]+$/.test(path) ? path : JSON.stringify(path);
  let changed: string;
  try {
    changed = editText(text, [{ path: ["app", "package"], value }]);
  } catch (error) {
    throw new HoldfastError(`${file} cannot be changed: ${(error as Error).message}`, {
      fix: `write \`package: ${value}\` under \`app\` in it by hand`,
      cause: error,
    });
  }
  if (changed === text) return;
  await writeFileAtomic(target, changed, mode & 0o777);
  // Run with sudo, it stays the operator's own file.
  await chown(target, uid, gid);
}
