/**
 * Builds dist/access-manager-<version>.tar.gz from examples/access-manager: the same bytes for the same
 * input (order, times, owners and modes are fixed), so that its sha256 says whether anything has changed.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");
const example = join(root, "examples/access-manager");

/**
 * @param output the archive's path; by default dist/access-manager-<version>.tar.gz.
 * @param source the app's sources: another release in tests.
 * @throws when bundling or tar fails; the archive is then left as it was.
 */
export async function packageApp(
  output?: string,
  source = example,
): Promise<{ readonly path: string; readonly sha256: string }> {
  const version = readFileSync(join(source, "VERSION"), "utf8").trim();
  const name = `access-manager-${version}`;
  const path = output ?? join(root, "dist", `${name}.tar.gz`);
  mkdirSync(dirname(path), { recursive: true });
  const work = mkdtempSync(`${path}.`);
  try {
    const top = join(work, name);
    for (const item of ["VERSION", "release.json", "scripts", "systemd", "ui"]) {
      cpSync(join(source, item), join(top, item), { recursive: true });
    }
    await bundle(source, version, join(top, "app.cjs"));
    const archive = gzipSync(tar(work, name), { level: 9 });
    writeFileSync(join(work, "archive"), archive, { flush: true });
    chmodSync(join(work, "archive"), 0o644);
    renameSync(join(work, "archive"), path);
    return { path, sha256: createHash("sha256").update(archive).digest("hex") };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function bundle(source: string, version: string, outfile: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: [join(source, "src/main.ts")],
    nodePaths: [join(root, "node_modules")],
    outfile,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node24",
    // pg loads it only when asked to; it is not installed.
    external: ["pg-native"],
    legalComments: "none",
    logLevel: "warning",
    define: { APP_VERSION: JSON.stringify(version) },
  });
}

function tar(directory: string, name: string): Buffer {
  // The modes of a checkout follow its umask: only the executable bit is taken from it.
  const modes = "--mode=u=rwX,go=rX";
  const fixed = [
    "--format=ustar",
    "--sort=name",
    "--mtime=@0",
    "--owner=0",
    "--group=0",
    "--numeric-owner",
    modes,
  ];
  const { status, stdout, stderr, error } = spawnSync("tar", [...fixed, "-C", directory, "-cf", "-", name], {
    maxBuffer: 256 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`tar failed: ${error?.message ?? stderr.toString()}`);
  return stdout;
}

if (import.meta.main) {
  const { path, sha256 } = await packageApp();
  console.log(`${sha256}  ${path}`);
}
