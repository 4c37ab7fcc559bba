import { isAbsolute, resolve } from "node:path";
import { parseRelease, type Release } from "../../core/upgrade/package.ts";
import type { ReleaseAt } from "../../core/upgrade/record.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { exec } from "../../lib/exec.ts";
import { packageVersion, readArtifact } from "../artifacts.ts";

export interface Package {
  readonly at: ReleaseAt;
  readonly release: Release;
}

/** What an upgrade calls on a host. */
const needed = ["VERSION", "scripts/install", "scripts/postinstall", "scripts/migrate"];

/**
 * Reads an app package on the operator's machine, without unpacking it.
 * @throws HoldfastError when it cannot be read, or is not a package of that app
 */
export async function readPackage(path: string, app: string, cwd: string): Promise<Package> {
  const file = isAbsolute(path) ? path : resolve(cwd, path);
  const version = packageVersion(file, app);
  const { sha256 } = await readArtifact(file, version, "name the package to upgrade to");
  const top = `${app}-${version}`;
  const members = (await tar(file, ["-tzf", file])).split("\n").map((name) => name.replace(/^\.\//, ""));
  const missing = needed.filter((name) => !members.includes(`${top}/${name}`));
  if (missing.length > 0) {
    throw new HoldfastError(`${file} is no package of ${app}: it has no ${top}/${missing.join(", ")}`, {
      fix: 'ARCHITECTURE.md, "The app package", says what a package holds',
    });
  }
  const member = (name: string): Promise<string> => tar(file, ["-xzOf", file, "--", `${top}/${name}`]);
  const said = (await member("VERSION")).trim();
  if (said !== version) {
    throw new HoldfastError(`${file} is named ${version}, but its VERSION says ${said}`, {
      fix: "build the package again",
    });
  }
  const release = parseRelease(members.includes(`${top}/release.json`) ? await member("release.json") : null);
  if (typeof release === "string") {
    throw new HoldfastError(`${file}: release.json: ${release}`, {
      fix: "correct it and build the package again",
    });
  }
  if (release.downgradesTo.length > 0 && !members.includes(`${top}/scripts/downgrade`)) {
    throw new HoldfastError(`${file}: release.json promises a downgrade, and there is no scripts/downgrade`, {
      fix: "correct it and build the package again",
    });
  }
  return { at: { version, sha256, package: file }, release };
}

async function tar(file: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await exec(["tar", ...args], { timeoutMs: 120_000 });
  if (code === 0) return stdout;
  throw new HoldfastError(`${file} cannot be read as a .tar.gz: ${stderr.trim()}`, {
    fix: "build the package again, or fetch it again",
  });
}
