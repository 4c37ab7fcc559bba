import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readIfExists } from "../../lib/atomic.ts";
import { HostUnreachable } from "../../lib/errors.ts";
import { exec, ExecTimeout } from "../../lib/exec.ts";
import { poll } from "../../lib/retry.ts";
import type { Machine, PowerState, RunOptions, RunResult } from "../../ports.ts";
import { commandCgroups, existingCgroups, freeze, isFrozen, killAll, removeCgroups, thaw } from "./cgroup.ts";
import { endUnits, launch } from "./launch.ts";
import { mountOverlay, unmountUnder } from "./mounts.ts";
import * as names from "./names.ts";
import { type NetworkSpec, plugIn, setLink, unplug } from "./network.ts";
import {
  childrenOf,
  isAlive,
  isNamespaceInit,
  isRunning,
  identify,
  type ProcessId,
  signal,
} from "./processes.ts";
import {
  type BootRecord,
  currentBoot,
  type LabRecord,
  type MachineRecord,
  readBoot,
  writeBoot,
} from "./state.ts";

/** A loaded two-core host boots seven machines at once in about 10 s; this is for worse ones. */
const bootTimeoutMs = 180_000;

/** What a command on a machine sees of our environment: nothing. */
const machineEnvironment = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
};

/** Puts itself into the cgroups named before `--`, then becomes the command after it. */
const joinAndExec =
  'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"';

/** A systemd machine in a container. Its power state is what the kernel says, never what we remember. */
export class LabMachine implements Machine {
  readonly name: string;
  readonly address: string;
  readonly paths: names.MachinePaths;
  /** Base image directory that its disk stands on. */
  readonly image: string;
  readonly #lab: string;
  readonly #network: NetworkSpec;
  readonly #record: MachineRecord;
  readonly #shared: string;
  readonly #hosts: string;

  constructor(home: string, lab: LabRecord, record: MachineRecord) {
    this.name = record.name;
    this.address = record.address;
    this.paths = names.machinePaths(home, lab.name, record.name);
    this.image = record.image;
    this.#lab = lab.name;
    this.#network = { ...lab, lab: lab.name };
    this.#record = record;
    this.#shared = join(names.labDirectory(home, lab.name), "shared");
    this.#hosts = lab.machines.map(({ address, name }) => `${address} ${name}\n`).join("");
  }

  async state(): Promise<PowerState> {
    const boot = await currentBoot(this.paths);
    if (boot !== undefined) return (await isFrozen(boot.cgroups)) ? "paused" : "running";
    return (await readIfExists(join(this.paths.upper, "etc/machine-id"))) === null ? "absent" : "off";
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const boot = await this.#requireRunning();
    const leader = boot.leader;
    if (leader === undefined) throw new HostUnreachable(this.name, "it is still starting");
    const { background = false, ...execOptions } = options;
    const priority = background ? ["nice", "-n", "19"] : [];
    const enter = [...priority, "nsenter", `--target=${leader.pid}`, "--all", "--", ...argv];
    try {
      // In the machine's cgroups, so that pausing the machine pauses its commands too.
      const result = await exec(
        ["sh", "-c", joinAndExec, "sh", ...commandCgroups(boot.cgroups, background), "--", ...enter],
        {
          env: machineEnvironment,
          cwd: "/",
          ...execOptions,
        },
      );
      if (isRunning(leader)) return result;
    } catch (error) {
      if (!(error instanceof ExecTimeout)) throw error;
      throw new HostUnreachable(
        this.name,
        `${argv[0]} gave no answer within ${(options.timeoutMs ?? 30_000) / 1000} s`,
      );
    }
    throw new HostUnreachable(this.name, `it went off while ${argv[0]} ran`);
  }

  /**
   * Boots it (creating its disk at the first time) and waits until its systemd has reached basic.target.
   * A boot that somebody else began, and was killed over, is finished.
   */
  async powerOn(): Promise<void> {
    const boot = (await currentBoot(this.paths)) ?? (await this.#boot());
    if (boot.leader === undefined) await this.#adoptLeader(boot);
    await this.#waitUntilUp();
  }

  async powerOff(): Promise<void> {
    const boot = await readBoot(this.paths);
    if (boot !== undefined && isAlive(boot.supervisor)) await this.cutLink();
    if (boot?.leader !== undefined) signal(boot.leader, "SIGKILL");
    await this.#clearLastBoot();
  }

  async pause(): Promise<void> {
    await freeze((await this.#requireRunning()).cgroups);
  }

  async resume(): Promise<void> {
    const boot = await currentBoot(this.paths);
    if (boot === undefined) throw new HostUnreachable(this.name, "it is off", "power it on");
    await thaw(boot.cgroups);
  }

  async cutLink(): Promise<void> {
    await setLink(this.#lab, this.name, "down");
  }

  async restoreLink(): Promise<void> {
    await setLink(this.#lab, this.name, "up");
  }

  /** Powers it off and deletes its disk. */
  async remove(): Promise<void> {
    await this.powerOff();
    await rm(this.paths.directory, { recursive: true, force: true });
  }

  /** Makes a disk this machine's own; the machine id comes last, because its presence says that the disk is complete. */
  async writeIdentity(layer: string): Promise<void> {
    await writeFile(join(layer, "etc/hostname"), `${this.name}\n`);
    await writeFile(join(layer, "etc/machine-id"), `${names.machineId(this.#lab, this.name)}\n`);
  }

  async #requireRunning(): Promise<BootRecord> {
    const boot = await currentBoot(this.paths);
    if (boot === undefined) throw new HostUnreachable(this.name, "it is off", "power it on");
    if (await isFrozen(boot.cgroups)) throw new HostUnreachable(this.name, "it is paused", "resume it");
    return boot;
  }

  /** Ends whatever is left of the last boot, in every state it can be in. */
  async #clearLastBoot(): Promise<void> {
    const boot = await readBoot(this.paths);
    const own = await existingCgroups(this.#lab, this.name);
    const cgroups = [...new Set([...(boot?.cgroups ?? []), ...own])];
    await thaw(cgroups);
    if (boot !== undefined && boot.leader !== undefined && !isAlive(boot.leader)) {
      // With its machine dead the supervisor cleans up after itself and ends; it is killed only if it does not.
      await poll(() => !isAlive(boot.supervisor), { deadlineMs: 2000, intervalMs: 10, what: "" }).catch(
        () => undefined,
      );
    }
    await killAll(cgroups);
    await endUnits(this.#lab, this.name);
    await removeCgroups(own);
    await unplug(this.#lab, this.name);
    await unmountUnder(this.paths.root);
    await rm(this.paths.boot, { force: true });
    const propagate = join("/run/systemd/nspawn/propagate", names.nspawnName(this.#lab, this.name));
    await rm(propagate, { recursive: true, force: true });
  }

  async #prepareDisk(): Promise<void> {
    const { upper, work, root } = this.paths;
    for (const path of [upper, work, root]) await mkdir(path, { recursive: true, mode: 0o755 });
    if ((await readIfExists(join(upper, "etc/machine-id"))) === null) {
      await mkdir(join(upper, "etc"), { recursive: true, mode: 0o755 });
      await writeFile(join(upper, "etc/hosts"), `127.0.0.1 localhost\n${this.#hosts}`);
      await this.writeIdentity(upper);
    }
    await mountOverlay({ lower: this.#record.image, upper, work, root });
  }

  async #boot(): Promise<BootRecord> {
    await this.#clearLastBoot();
    await this.#prepareDisk();
    await plugIn(this.#network, this);
    const boot = await launch({
      lab: this.#lab,
      machine: this.name,
      root: this.paths.root,
      console: this.paths.console,
      shared: this.#shared,
      memory: this.#record.memory,
    });
    await writeBoot(this.paths, boot);
    return boot;
  }

  /** Waits for the machine's PID 1 and records it. */
  async #adoptLeader({ supervisor, cgroups }: BootRecord): Promise<void> {
    const leader = await poll(() => this.#findLeader(supervisor), {
      deadlineMs: bootTimeoutMs,
      intervalMs: 20,
      what: `machine ${this.name} to start`,
      fix: `read ${this.paths.console}`,
    });
    for (const path of commandCgroups(cgroups)) await mkdir(path, { recursive: true });
    await writeBoot(this.paths, { supervisor, leader, cgroups });
  }

  async #findLeader(supervisor: ProcessId): Promise<ProcessId | undefined> {
    if (!isAlive(supervisor)) throw new Error(`its container ended: see ${this.paths.console}`);
    for (const pid of await childrenOf(supervisor.pid)) {
      if (await isNamespaceInit(pid)) return identify(pid);
    }
    return undefined;
  }

  async #waitUntilUp(): Promise<void> {
    await poll(
      async () => {
        const { stdout } = await this.run(["systemctl", "is-system-running"], { timeoutMs: 10_000 });
        // "starting": basic.target is reached, and the rest may take as long as it wants: an engine that
        // waits for its peers must not keep us from reaching the machine, or its peers from starting.
        return ["starting", "running", "degraded"].includes(stdout.trim());
      },
      {
        deadlineMs: bootTimeoutMs,
        what: `the system of machine ${this.name} to be up`,
        fix: `read ${this.paths.console}`,
      },
    );
  }
}
