import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { HoldfastError } from "../lib/errors.ts";

/** Bytes that go to hosts as they are: the Holdfast bundle, the app's package. */
export interface Artifact {
  readonly sha256: string;
  readonly version: string;
  readonly bytes: Uint8Array;
}
export interface Artifacts {
  readonly holdfast: Artifact;
  /** Absent where there is no app. */
  readonly app?: Artifact;
}

export const sha256 = (bytes: Uint8Array | string): string =>
  createHash("sha256").update(bytes).digest("hex");

/** @throws HoldfastError when the file cannot be read, with `fix`. */
export async function readArtifact(path: string, version: string, fix: string): Promise<Artifact> {
  const bytes = await readFile(path).catch((error: Error) => {
    throw new HoldfastError(`cannot read ${path}: ${error.message}`, { fix, cause: error });
  });
  return { sha256: sha256(bytes), version, bytes };
}

/** The version in an app package's file name: `access-manager-1.0.0.tar.gz` is 1.0.0. */
export function packageVersion(file: string, app: string): string {
  const match = new RegExp(`(?:^|/)${app}-(\\d[^/]*)\\.tar\\.gz$`).exec(file);
  const version = match?.[1];
  if (version === undefined) {
    throw new HoldfastError(`app.package ${file} is not named ${app}-<version>.tar.gz`, {
      fix: "name the archive after app.name and its version",
    });
  }
  return version;
}
