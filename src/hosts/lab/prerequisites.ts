import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { tmpdir } from "node:os";
import { HoldfastError } from "../../lib/errors.ts";
import { exec, execOk, lastLines } from "../../lib/exec.ts";
import type { Reporter } from "../../ports.ts";
import { hasCgroups } from "./cgroup.ts";

/** Something that the lab needs of the operator's host and that is not there. */
export interface Prerequisite {
  /** "systemd-nspawn" */
  readonly what: string;
  /** Why it is needed, for people. */
  readonly why: string;
  /** Debian package that brings it, if one does. */
  readonly package?: string;
  /** Command that brings it; undefined when nothing can (a kernel feature). */
  readonly install?: readonly string[];
}

const commands = [
  { what: "systemd-nspawn", package: "systemd-container", why: "runs the lab's machines" },
  { what: "mmdebstrap", package: "mmdebstrap", why: "makes the lab machines' base image" },
  { what: "nft", package: "nftables", why: "cuts traffic between the lab's machines in drills" },
  { what: "ip", package: "iproute2", why: "makes the lab's network" },
  { what: "nsenter", package: "util-linux", why: "runs commands on the lab's machines" },
  { what: "unshare", package: "util-linux", why: "tries kernel features out, and isolates image builds" },
  {
    what: "setpriv",
    package: "util-linux",
    why: "ends an image build together with the command that asked for it",
  },
  { what: "mount", package: "mount", why: "gives each machine its own writable layer" },
] as const;

/** Kernel features, each tried out: having the module's name somewhere does not mean that it works. */
const features = [
  {
    what: "network namespaces, veth and bridge",
    why: "the lab's switch and cables",
    probe:
      "ip link add hfprobe0 type bridge && ip link add hfprobe1 type veth peer name hfprobe2 && ip link set hfprobe1 master hfprobe0",
    needs: "ip",
  },
  {
    what: "nftables in the kernel",
    why: "fencing and drills filter packets",
    probe: "nft add table inet hfprobe && nft 'add set inet hfprobe s { type ipv4_addr; timeout 1s; }'",
    needs: "nft",
  },
  {
    what: "overlay file system",
    why: "each machine's disk is a layer over the base image",
    probe:
      'cd "$1" && mount -t tmpfs none . && mkdir l u w m && mount -t overlay none -o lowerdir=l,upperdir=u,workdir=w m',
    needs: "mount",
  },
] as const;

/**
 * What is missing on this host for the lab; empty when it can start. Changes nothing: kernel
 * features are tried in namespaces that end with the probe.
 * @throws HoldfastError when not run as root, or not on Linux
 */
export async function missingPrerequisites(): Promise<Prerequisite[]> {
  if (process.platform !== "linux") {
    throw new HoldfastError(`the lab runs on Linux only, this is ${process.platform}`, {
      fix: "use a Linux machine or a virtual one (Debian 12 is what it is tested on)",
    });
  }
  if (process.getuid?.() !== 0) throw new HoldfastError("the lab needs root", { fix: "run it with sudo" });
  const missing: Prerequisite[] = [];
  for (const command of commands) {
    if (!(await isInstalled(command.what))) {
      missing.push({ ...command, install: installArgv([command.package]) });
    }
  }
  const installed = (name: string) => missing.every(({ what }) => what !== name);
  for (const { what, why, probe, needs } of features) {
    // Without its tools a feature cannot be tried; it will be after their installation.
    if (installed(needs) && installed("unshare") && !(await works(probe))) missing.push({ what, why });
  }
  if (!(await hasCgroups())) {
    missing.push({
      what: "control groups (cgroup v2, or v1 with name=systemd)",
      why: "each machine's processes are kept together",
    });
  }
  const instances = Number(await readFile(inotifyLimit, "utf8"));
  if (instances < inotifyInstances) {
    missing.push({
      what: `${inotifyInstances} inotify instances per user (now ${instances}, until the next boot)`,
      why: "the systemd of each machine takes six",
      install: ["sh", "-c", `echo ${inotifyInstances} > ${inotifyLimit}`],
    });
  }
  return missing;
}

const inotifyLimit = "/proc/sys/fs/inotify/max_user_instances";
/** Enough for some 80 machines; the kernel's default of 128 stops the third lab of seven (measured: 44 per lab). */
const inotifyInstances = 512;

/**
 * Installs what apt can install, and then looks again.
 * @throws HoldfastError when something cannot be installed, the package lock is held, the disk is
 *   full or no package server can be reached
 */
export async function installPrerequisites(list: readonly Prerequisite[], reporter: Reporter): Promise<void> {
  requireInstallable(list);
  for (const { package: name, install } of list) {
    if (name === undefined && install !== undefined) await execOk(install, "changing a setting of this host");
  }
  const packages = [...new Set(list.flatMap((entry) => entry.package ?? []))];
  if (packages.length === 0) return;
  if (!(await isInstalled("apt-get"))) {
    throw new HoldfastError(`this host has no apt-get to install ${packages.join(", ")} with`, {
      fix: `install what brings these commands by hand: ${list.map(({ what }) => what).join(", ")}`,
    });
  }
  const task = reporter.task(`install ${packages.join(", ")}`);
  try {
    // A fresh machine has no package lists, a stale one has lists of files that are no longer there.
    const update = await apt(["apt-get", "update"], (line) => task.update(line));
    const install = await apt(installArgv(packages), (line) => task.update(line));
    if (install.code !== 0)
      throw aptError(packages, `${update.stderr}\n${install.stderr}\n${install.stdout}`);
    const left = await missingPrerequisites();
    requireInstallable(left);
    if (left.length > 0) {
      throw new HoldfastError(
        `still missing after the installation: ${left.map(({ what }) => what).join(", ")}`,
      );
    }
    task.done();
  } catch (error) {
    task.fail((error as Error).message);
    throw error;
  }
}

/** Tells the failures of apt apart that operators can do something about. */
export function aptError(packages: readonly string[], output: string): HoldfastError {
  const found = `${packages.join(", ")} could not be installed`;
  if (/Could not get lock|is another process using it|Unable to (acquire|lock)/i.test(output)) {
    return new HoldfastError(`${found}: another package manager is running (the dpkg lock is held)`, {
      fix: "wait until it has finished (unattended-upgrades may take minutes) and run it again",
    });
  }
  if (/No space left on device|don't have enough free space/i.test(output)) {
    return new HoldfastError(`${found}: the disk is full`, { fix: "free some space and run it again" });
  }
  const network =
    /Temporary failure resolving|Could not (resolve|connect)|Unable to connect|Failed to fetch|Network is unreachable|Connection (timed out|refused|failed)/i;
  if (network.test(output)) {
    return new HoldfastError(`${found}: the package server could not be reached:\n${lastLines(output, 3)}`, {
      fix: "check this host's network, proxy and /etc/apt/sources.list, or install the packages by hand",
    });
  }
  return new HoldfastError(`${found}:\n${lastLines(output, 8)}`, {
    fix: `run it by hand to see more: ${installArgv(packages).join(" ")}`,
  });
}

function requireInstallable(list: readonly Prerequisite[]): void {
  const kernel = list.filter((entry) => entry.install === undefined);
  if (kernel.length === 0) return;
  throw new HoldfastError(
    `this host's kernel lacks what the lab needs:\n${kernel.map(({ what, why }) => `  ${what}: ${why}`).join("\n")}`,
    {
      fix: "use a virtual machine or a host with a distribution's own kernel; most containers do not allow it",
    },
  );
}

async function apt(argv: readonly string[], onLine: (line: string) => void) {
  return exec(argv, {
    timeoutMs: 600_000,
    onLine,
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" },
  });
}

function installArgv(packages: readonly string[]): string[] {
  // Recommended packages would bring services (a machine manager, an NSS module) that the lab does not use.
  const options = ["--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=60"];
  return ["apt-get", "install", ...options, ...packages];
}

async function isInstalled(command: string): Promise<boolean> {
  const directories = (process.env["PATH"] ?? "").split(delimiter).concat("/usr/sbin", "/sbin");
  for (const directory of directories) {
    if (
      await access(join(directory, command), 1).then(
        () => true,
        () => false,
      )
    )
      return true;
  }
  return false;
}

async function works(probe: string): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-probe-"));
  try {
    const result = await exec(["unshare", "--mount", "--net", "sh", "-ec", probe, "sh", directory]);
    return result.code === 0;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
