/** Starting a machine's systemd-nspawn so that it outlives us, in cgroups of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, open } from "node:fs/promises";
import { exec, execOk } from "../../lib/exec.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { type Cgroups, cgroupsOf, createCgroups } from "./cgroup.ts";
import * as names from "./names.ts";
import { identify, type ProcessId } from "./processes.ts";

export interface LaunchSpec {
  readonly lab: string;
  readonly machine: string;
  readonly root: string;
  readonly console: string;
  /** Directory that every machine sees as /mnt/holdfast-nas: stands for the NAS. */
  readonly shared: string;
  /** Bytes. */
  readonly memory: number;
}

export interface Launched {
  readonly supervisor: ProcessId;
  readonly cgroups: Cgroups;
}

/** Makes /proc/sys/net of the machine's own namespace writable; nspawn does so by itself only for namespaces that it made. */
const nspawnEnvironment = { SYSTEMD_NSPAWN_API_VFS_WRITABLE: "network" };

/**
 * Starts the machine and returns at once. Where systemd runs the host it becomes a transient unit
 * (with its memory limit); elsewhere a session of its own in cgroups that we make.
 */
export async function launch(spec: LaunchSpec): Promise<Launched> {
  return (await systemdRunsHost()) ? launchAsUnit(spec) : launchDirectly(spec);
}

/** The test of sd_booted(3). */
export async function systemdRunsHost(): Promise<boolean> {
  return access("/run/systemd/system").then(
    () => true,
    () => false,
  );
}

/** Transient units of a lab's machines that systemd knows of; none where no systemd runs the host. */
export async function machineUnits(lab: string, machine = "*"): Promise<string[]> {
  if (!(await systemdRunsHost())) return [];
  const pattern = names.unitName(lab, machine);
  const list = await exec(["systemctl", "list-units", "--all", "--plain", "--no-legend", pattern]);
  return list.stdout.split("\n").flatMap((line) => line.trim().split(/\s+/)[0] || []);
}

/** Kills the units and waits until systemd has forgotten them: only then can they be started again. */
export async function endUnits(lab: string, machine?: string): Promise<void> {
  for (const unit of await machineUnits(lab, machine)) {
    await exec(["systemctl", "kill", "--signal=SIGKILL", unit]);
    await exec(["systemctl", "stop", unit]);
    await exec(["systemctl", "reset-failed", unit]);
  }
}

/** Command line of the container, the same on every kind of host. */
export function nspawnArgv(spec: LaunchSpec): string[] {
  return [
    "systemd-nspawn",
    "--quiet",
    "--boot",
    "--register=no",
    "--keep-unit",
    `--directory=${spec.root}`,
    `--machine=${names.nspawnName(spec.lab, spec.machine)}`,
    `--hostname=${spec.machine}`,
    `--network-namespace-path=${names.namespacePath(names.machineNamespace(spec.lab, spec.machine))}`,
    `--bind=${spec.shared}:/mnt/holdfast-nas`,
    "--link-journal=no",
    "--resolv-conf=off",
    "--timezone=off",
    "--console=read-only",
    // NET_ADMIN: addresses, nftables, sockets of the dead; IPC_LOCK: keepalived locks itself in memory.
    "--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_IPC_LOCK,CAP_SYS_NICE",
  ];
}

/** Command line that runs the container as a transient unit of the host's systemd. */
export function unitArgv(spec: LaunchSpec): string[] {
  return [
    "systemd-run",
    "--quiet",
    "--collect",
    `--unit=${names.unitName(spec.lab, spec.machine)}`,
    "--slice=machine.slice",
    "--property=Delegate=yes",
    "--property=KillMode=mixed",
    "--property=TasksMax=16384",
    "--property=DevicePolicy=auto",
    `--property=MemoryMax=${spec.memory}`,
    // A drill powers machines off by killing them: that is not a failure to be restarted or reported.
    "--property=SuccessExitStatus=SIGKILL 137",
    `--property=StandardOutput=append:${spec.console}`,
    `--property=StandardError=append:${spec.console}`,
    ...Object.entries(nspawnEnvironment).map(([name, value]) => `--setenv=${name}=${value}`),
    ...nspawnArgv(spec),
  ];
}

async function launchAsUnit(spec: LaunchSpec): Promise<Launched> {
  await execOk(unitArgv(spec), `starting machine ${spec.machine}`);
  const unit = names.unitName(spec.lab, spec.machine);
  const pid = await execOk(
    ["systemctl", "show", "--property=MainPID", "--value", unit],
    `asking for ${unit}`,
  );
  const supervisor = identify(Number(pid.trim()));
  if (supervisor === undefined) throw diedAtOnce(spec);
  return { supervisor, cgroups: await unitCgroups(supervisor.pid, unit) };
}

/**
 * The unit's own cgroups. Only those: in hierarchies that systemd does not manage (a v1 freezer) its
 * processes are in the same cgroup as the rest of the host.
 */
async function unitCgroups(pid: number, unit: string): Promise<Cgroups> {
  // The container moves itself one level down, at a moment that we cannot see.
  const paths = (await cgroupsOf(pid)).map((path) => path.replace(/\/supervisor$/, ""));
  return paths.filter((path) => path.endsWith(`/${unit}`));
}

async function launchDirectly(spec: LaunchSpec): Promise<Launched> {
  const cgroups = await createCgroups(spec.lab, spec.machine);
  const console = await open(spec.console, "a", 0o600);
  try {
    // The shell puts itself into the cgroups before it becomes the container: whatever happens
    // after, every process of the machine can be found there.
    const script =
      'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 1; shift; done; shift; exec "$@"';
    const child = spawn("sh", ["-c", script, "sh", ...cgroups, "--", ...nspawnArgv(spec)], {
      detached: true, // a session of its own: neither Ctrl-C nor the end of the terminal reaches it
      stdio: ["ignore", console.fd, console.fd],
      env: {
        PATH: process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin",
        LANG: "C.UTF-8",
        ...nspawnEnvironment,
      },
    });
    await once(child, "spawn");
    child.unref();
    const supervisor = child.pid === undefined ? undefined : identify(child.pid);
    if (supervisor === undefined) throw diedAtOnce(spec);
    return { supervisor, cgroups };
  } finally {
    await console.close();
  }
}

function diedAtOnce(spec: LaunchSpec): HoldfastError {
  return new HoldfastError(`machine ${spec.machine} ended right after its start`, {
    fix: `read ${spec.console}`,
  });
}
