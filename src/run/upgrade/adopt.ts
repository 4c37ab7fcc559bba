import { chmod, chown, readFile, realpath, rename, stat, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { editText } from "../../core/topology/rewrite.ts";
import { HoldfastError } from "../../lib/errors.ts";

/**
 * Makes the topology file name another package, and changes nothing else in it. Again is harmless.
 * @param archive absolute path
 * @throws HoldfastError when the file cannot be changed
 */
export async function adoptPackage(file: string, archive: string): Promise<void> {
  const target = await realpath(file);
  const text = await readFile(target, "utf8");
  const path = relative(dirname(target), archive);
  // Anything else could mean something in YAML; a JSON string is one there, too.
  const value = /^[\w./@+-]+$/.test(path) ? path : JSON.stringify(path);
  try {
    const changed = editText(text, [{ path: ["app", "package"], value }]);
    if (changed !== text) await replaceFile(target, changed);
  } catch (error) {
    throw new HoldfastError(`${file} cannot be changed: ${(error as Error).message}`, {
      fix: `write \`package: ${value}\` under \`app\` in it by hand, then go on`,
      cause: error,
    });
  }
}

/** Run with sudo, it stays the operator's own file: it is theirs before it has its name. */
async function replaceFile(target: string, text: string): Promise<void> {
  const { mode, uid, gid } = await stat(target);
  const temporary = `${target}.holdfast-new`;
  await writeFile(temporary, text, { flush: true });
  await chmod(temporary, mode & 0o777);
  await chown(temporary, uid, gid);
  await rename(temporary, target);
}
