import { createHash } from "node:crypto";
import {
  access,
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  rmdir,
  statfs,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { exec, ExecTimeout, lastLines } from "../../lib/exec.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Reporter, TaskReport } from "../../ports.ts";
import { exclusively } from "./exclusive.ts";
import { buildSpaceBytes, disabledUnits, journaldConf, maskedUnits, recipe } from "./image-recipe.ts";
import { aptAcquireConf, findMirror, type Mirror, sourcesList } from "./mirror.ts";

export interface ImageOptions {
  /** Holdfast's state directory; images are in `<home>/images/`. */
  readonly home: string;
  /** Node binary that is copied to /opt/holdfast/node. */
  readonly node: string;
  readonly reporter: Reporter;
}

/** Minutes that a slow mirror may take; a build takes about one. */
const buildTimeoutMs = 30 * 60_000;

/**
 * The directory of the lab machines' base image, built first if it is not there.
 * It is complete or absent: a build happens under another name that is renamed at its end.
 * @throws HoldfastError when the disk is full, the mirror or PyPI cannot be reached, a tool is missing.
 */
export async function ensureImage(options: ImageOptions): Promise<string> {
  const images = join(options.home, "images");
  const directory = join(images, await imageKey(options.node));
  if (await exists(directory)) return directory;
  await mkdir(images, { recursive: true, mode: 0o700 });
  const waiting = () => options.reporter.info("another process is building the base image: waiting for it");
  await exclusively(images, waiting, async () => {
    if (!(await exists(directory))) await build(directory, options);
  });
  return directory;
}

/** Name of the image that the present recipe and Node make. */
export async function imageKey(node: string): Promise<string> {
  const nodeVersion = (await exec([node, "--version"])).stdout.trim();
  const contents = JSON.stringify({ recipe, disabledUnits, maskedUnits, journaldConf, nodeVersion });
  return `${recipe.release}-${createHash("sha256").update(contents).digest("hex").slice(0, 12)}`;
}

async function build(directory: string, options: ImageOptions): Promise<void> {
  const images = join(options.home, "images");
  await removeUnfinished(images);
  await requireSpace(images);
  const task = options.reporter.task("build the lab machines' base image (once, about a minute)");
  const unfinished = await mkdtemp(join(images, ".unfinished-"));
  const tree = join(unfinished, "tree");
  try {
    const mirror = await findMirror(process.env);
    await bootstrap(tree, mirror, join(unfinished, "apt.conf"), task);
    await installPatroni(tree, task);
    task.update("finishing");
    await finish(tree, options.node);
    await execChecked(["sync", "--file-system", tree], "writing the image to disk", task);
    await rename(tree, directory);
    task.done(directory);
  } catch (error) {
    task.fail((error as Error).message);
    throw error;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

/** Debian itself and the engines' packages. */
async function bootstrap(tree: string, mirror: Mirror, conf: string, task: TaskReport): Promise<void> {
  await writeFile(conf, await aptAcquireConf(), { mode: 0o600 });
  task.update(`packages of Debian ${recipe.release} from ${new URL(mirror.main).host}`);
  const argv = [
    "mmdebstrap",
    "--mode=root",
    "--variant=minbase",
    "--format=directory",
    `--include=${recipe.packages.join(",")}`,
    `--aptopt=${conf}`,
    '--aptopt=Acquire::Languages "none"',
    "--aptopt=Acquire::Retries 3",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    // Before postgresql-common is installed, or it makes a cluster that nobody wants.
    '--essential-hook=mkdir -p "$1/etc/postgresql-common"',
    '--essential-hook=echo "create_main_cluster = false" > "$1/etc/postgresql-common/createcluster.conf"',
    '--customize-hook=rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap"',
    recipe.release,
    tree,
    "-",
  ];
  await execChecked(isolated(argv), "building the base image", task, sourcesList(mirror, recipe.release));
}

/**
 * Patroni in a virtualenv. pip runs in the tree, with the host's network, CA bundle and pip
 * configuration bound in for this one command, so that nothing of them stays in the image.
 */
async function installPatroni(tree: string, task: TaskReport): Promise<void> {
  task.update("Patroni from PyPI");
  const script = [
    "set -e",
    "python3 -m venv /opt/patroni",
    `/opt/patroni/bin/pip install --no-cache-dir --no-input --disable-pip-version-check ${recipe.python.map((name) => `'${name}'`).join(" ")}`,
    "/opt/patroni/bin/patroni --version",
  ].join("\n");
  const names = Object.keys(process.env).filter((name) => /^(PIP_|https?_proxy$|no_proxy$)/i.test(name));
  const argv = [
    "systemd-nspawn",
    "--quiet",
    "--pipe",
    "--register=no",
    "--keep-unit",
    `--directory=${tree}`,
    "--timezone=off",
    "--link-journal=no",
    "--resolv-conf=bind-host",
    ...(await hostFilesForPip()).map((file) => `--bind-ro=${file}`),
    // By name only: a proxy's or an index's URL may hold a password, which argv would show to everybody.
    ...names.map((name) => `--setenv=${name}`),
    "--setenv=PIP_CERT=/etc/ssl/certs/ca-certificates.crt",
    "/bin/sh",
    "-c",
    script,
  ];
  await execChecked(isolated(argv), "installing Patroni", task);
  // nspawn made mount points for what was bound in and is not part of a Debian system.
  await rm(join(tree, "etc/pip.conf"), { force: true });
  for (const links of wheelDirectories()) await rmdir(join(tree, links)).catch(() => undefined);
}

async function hostFilesForPip(): Promise<string[]> {
  const candidates = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf", ...wheelDirectories()];
  const present = await Promise.all(candidates.map(exists));
  return candidates.filter((_, index) => present[index]);
}

/** Local directories that pip is told to look for packages in. */
function wheelDirectories(): string[] {
  return (process.env["PIP_FIND_LINKS"] ?? "").split(/\s+/).filter((path) => path.startsWith("/"));
}

async function finish(tree: string, node: string): Promise<void> {
  const write = async (path: string, text: string) => writeFile(join(tree, path), text, { mode: 0o644 });
  await mkdir(join(tree, "etc/systemd/journald.conf.d"), { recursive: true });
  await mkdir(join(tree, "var/log/journal"), { recursive: true });
  await mkdir(join(tree, "mnt/holdfast-nas"), { recursive: true });
  await write("etc/systemd/journald.conf.d/holdfast.conf", journaldConf);
  await write("etc/machine-id", "");
  await write("etc/hostname", "localhost\n");
  await write("etc/fstab", "");
  // The mirror that was used may be a private one; a machine has no way to any.
  const publicMirror = {
    main: "http://deb.debian.org/debian",
    security: "http://deb.debian.org/debian-security",
  };
  await write("etc/apt/sources.list", sourcesList(publicMirror, recipe.release));
  await rm(join(tree, "etc/resolv.conf"), { force: true });
  await write("etc/resolv.conf", "");
  const systemctl = ["systemctl", `--root=${tree}`, "--quiet"];
  await execChecked([...systemctl, "disable", ...disabledUnits], "disabling the engines' units");
  await execChecked([...systemctl, "mask", ...maskedUnits], "masking units");
  await execChecked([...systemctl, "set-default", "multi-user.target"], "setting the default target");
  await removeSysvLinks(
    tree,
    disabledUnits.map((unit) => unit.replace(/\.service$/, "")),
  );
  await mkdir(join(tree, "opt/holdfast"), { recursive: true });
  await copyFile(node, join(tree, "opt/holdfast/node"));
  await chmod(join(tree, "opt/holdfast/node"), 0o755);
  await chmod(tree, 0o755); // or users of the machine other than root could not enter it
}

async function removeSysvLinks(tree: string, names: readonly string[]): Promise<void> {
  for (const level of ["0", "1", "2", "3", "4", "5", "6", "S"]) {
    const directory = join(tree, `etc/rc${level}.d`);
    for (const link of await readdir(directory).catch(() => [])) {
      if (names.includes(link.replace(/^[SK]\d\d/, ""))) await rm(join(directory, link));
    }
  }
}

/**
 * In its own process and mount namespace, killed as a whole when this process dies: an interrupted
 * build leaves no mounts and no package manager running behind it, only a directory.
 */
function isolated(argv: readonly string[]): string[] {
  return [
    "setpriv",
    "--pdeathsig",
    "KILL",
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    ...argv,
  ];
}

async function execChecked(argv: string[], what: string, task?: TaskReport, stdin?: string): Promise<void> {
  const result = await exec(argv, {
    timeoutMs: buildTimeoutMs,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" },
    ...(stdin === undefined ? {} : { stdin }),
    ...(task === undefined ? {} : { onLine: (line: string) => task.update(line.slice(0, 120)) }),
  }).catch((error: unknown) => {
    if (error instanceof ExecTimeout) throw buildError(what, error.stderr, `${error.message}. `);
    throw error;
  });
  if (result.code !== 0) throw buildError(what, `${result.stdout}\n${result.stderr}`, "");
}

/** The two failures that operators meet, told apart from the rest. */
export function buildError(what: string, output: string, prefix: string): HoldfastError {
  const tail = lastLines(output, 8);
  if (/no space left on device|disk quota exceeded|not enough free disk space/i.test(output)) {
    return new HoldfastError(`${what} failed: ${prefix}the disk is full`, {
      fix: "free about 3 GB where the Holdfast home is (HOLDFAST_HOME chooses another place) and run it again; nothing was left half-written",
    });
  }
  const network =
    /(could not|unable to|cannot) (resolve|connect)|temporary failure (in name resolution|resolving)|connection (refused|timed out|failed)|failed to fetch|network is unreachable|no matching distribution found|max retries exceeded/i;
  if (network.test(output)) {
    return new HoldfastError(`${what} failed: ${prefix}a package server could not be reached:\n${tail}`, {
      fix: "check this host's network, proxy and DNS; HOLDFAST_DEBIAN_MIRROR names another Debian mirror, PIP_INDEX_URL another Python index",
    });
  }
  return new HoldfastError(`${what} failed: ${prefix}\n${tail}`);
}

const gib = (bytes: number): string => (bytes / 1024 ** 3).toFixed(1);

async function requireSpace(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= buildSpaceBytes) return;
  throw new HoldfastError(
    `${directory} has ${gib(bavail * bsize)} GiB free; building the base image needs ${gib(buildSpaceBytes)} GiB`,
    { fix: "free some space, or set HOLDFAST_HOME to a directory on a larger disk" },
  );
}

/** What is left of builds that were killed. Called with the build lock held, so nobody is working on them. */
async function removeUnfinished(images: string): Promise<void> {
  for (const entry of await readdir(images)) {
    if (entry.startsWith(".unfinished-")) await rm(join(images, entry), { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
