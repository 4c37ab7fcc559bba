import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { nearest } from "../core/topology/suggest.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";

export interface Blueprint {
  readonly file: string;
  readonly text: string;
}

const extension = ".yaml";

/** Names of the blueprints in the package. */
export async function blueprintNames(root: string): Promise<string[]> {
  const files = await readdir(join(root, "blueprints"));
  return files
    .filter((file) => file.endsWith(extension))
    .map((file) => file.slice(0, -extension.length))
    .sort();
}

/**
 * A blueprint's text by its name.
 * @param root of the installed package
 * @throws HoldfastError (usage) when there is none of this name, with the names that there are.
 */
export async function readBlueprint(name: string, root: string): Promise<Blueprint> {
  const names = await blueprintNames(root);
  if (!names.includes(name)) {
    const similar = nearest(name, names);
    throw new HoldfastError(`there is no blueprint "${name}"`, {
      fix: `${similar === undefined ? "" : `did you mean ${similar}? `}blueprints: ${names.join(", ")}`,
      exitStatus: ExitStatus.usage,
    });
  }
  const file = join(root, "blueprints", name + extension);
  return { file, text: await readFile(file, "utf8") };
}
