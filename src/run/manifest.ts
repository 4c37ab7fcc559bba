import { dirname } from "node:path/posix";
import type { Step } from "../core/plan/steps.ts";
import { readFile, writeFile } from "../hosts/files.ts";
import type { Host } from "../ports.ts";
import { manifestPath } from "./observe.ts";

/** The host's record of what Holdfast put there (see core/plan/observed.ts), while steps are performed. */
export interface ManifestEditor {
  wrote(path: string, sha256: string): void;
  removedFile(path: string): void;
  removedUnit(name: string): void;
  /** Writes what is known now; called when the steps are over, however they ended. */
  save(): Promise<void>;
}

/**
 * Opens the manifest for the steps of one host. What the steps will make is recorded before the first
 * of them runs, with an empty digest ("perhaps written"): a run that is killed leaves nothing on the
 * host that a later one would not know to be Holdfast's.
 */
export async function openManifest(host: Host, steps: readonly Step[]): Promise<ManifestEditor> {
  const text = await readFile(host, manifestPath);
  if (text === undefined) await host.run(["install", "-d", "-m", "0755", dirname(manifestPath)]);
  const { files, units } = parse(text);
  const before = JSON.stringify({ files, units });
  for (const step of steps) {
    if (step.kind === "file") files[step.path] ??= "";
    if (step.kind === "unit" && !units.includes(step.name)) units.push(step.name);
  }
  let saved = before;
  const save = async (): Promise<void> => {
    const text = JSON.stringify({ files, units });
    if (text === saved) return;
    await writeFile(host, { path: manifestPath, content: `${text}\n`, mode: 0o600, owner: "root:root" });
    saved = text;
  };
  await save();
  return {
    wrote: (path, sha256) => {
      files[path] = sha256;
    },
    removedFile: (path) => {
      delete files[path];
    },
    removedUnit: (name) => {
      const index = units.indexOf(name);
      if (index >= 0) units.splice(index, 1);
    },
    save,
  };
}

/** The file is replaced by rename, so only a broken disk tears it: then begin anew, nothing is removed for it. */
function parse(text: string | undefined): { files: Record<string, string>; units: string[] } {
  try {
    return JSON.parse(text ?? "") as { files: Record<string, string>; units: string[] };
  } catch {
    return { files: {}, units: [] };
  }
}
