/** Backups of the app hosts: made and verified by what `up` put there, restored by the package's own script. */
import { appBackups, type AppBackupName } from "../../core/backup/names.ts";
import { appDirectory } from "../../core/engines/app/environment.ts";
import { backupDirectory, backupSource } from "../../core/engines/backup/place.ts";
import { backupPaths } from "../../core/engines/backup/render.ts";
import type { DesiredUnit } from "../../core/plan/desired.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { lastLines } from "../../lib/exec.ts";
import type { Host } from "../../ports.ts";
import { changeUnit } from "../units.ts";
import { command, shell } from "./shell.ts";

/** Configuration and certificates: seconds, unless the server hangs. */
const BACKUP_MS = 600_000;

export const appHosts = ({ app }: ServiceTopology, hosts: ReadonlyMap<string, Host>): Host[] =>
  app.hosts.flatMap((name) => hosts.get(name) ?? []);

/** @returns where the backup is. @throws HoldfastError, HostUnreachable */
export const backupApp = async (host: Host): Promise<string> =>
  (
    await command(host, "make a backup", [backupPaths.script, "create"], {
      timeoutMs: BACKUP_MS,
      fix: "run `holdfast up` if its script is not there yet",
    })
  ).trim();

export interface ListedAppBackup extends AppBackupName {
  /** Host of the topology through which it can be read. */
  readonly by: Host;
}

/** Newest first. Where each host has its own disk only, each is asked for its own. */
export async function listAppBackups(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
): Promise<ListedAppBackup[]> {
  const asked = appHosts(topology, hosts);
  const lists = await Promise.all(
    (backupSource(topology) === null ? asked : asked.slice(0, 1)).map(async (by) => {
      const names = await shell(by, "list the backups", `timeout 10 ls -1 "$1"`, {
        args: [backupDirectory(topology)],
      });
      return appBackups(names.split("\n")).map((backup) => ({ ...backup, by }));
    }),
  );
  return lists.flat();
}

/** @returns what is wrong with it; null when every file is what its manifest says. @throws HostUnreachable */
export async function verifyAppBackup(host: Host, name: string): Promise<string | null> {
  const { code, stdout, stderr } = await host.run([backupPaths.script, "verify", name], {
    timeoutMs: BACKUP_MS,
  });
  return code === 0 ? null : lastLines(`${stdout}\n${stderr}`.trim(), 3);
}

export interface AppRestorePlan {
  readonly host: Host;
  readonly name: string;
  readonly directory: string;
  /** The app serves on it now. */
  readonly live: boolean;
}

/**
 * Verifies the backup, and that the host runs the release that it is of. Changes nothing.
 * @throws HoldfastError when it is damaged or of another release; HostUnreachable
 */
export async function planAppRestore(
  topology: ServiceTopology,
  host: Host,
  name: string,
): Promise<AppRestorePlan> {
  const wrong = await verifyAppBackup(host, name);
  if (wrong !== null) {
    throw new HoldfastError(`${name} cannot be restored: ${wrong}`, {
      fix: "choose another: holdfast backup list, holdfast backup verify",
    });
  }
  const directory = `${backupDirectory(topology)}/${name}`;
  const current = `${appDirectory(topology.app.name)}/current`;
  const script = `cat -- "$1/VERSION" "$2/VERSION"; systemctl is-active "$3" || :`;
  const args = [directory, current, topology.app.unit];
  const [of, installed, active] = (await shell(host, "compare versions", script, { args })).split("\n");
  if (of !== installed) {
    throw new HoldfastError(`${name} is of release ${of}; ${host.name} runs ${installed}`, {
      fix: `bring ${host.name} to release ${of} first, or choose a backup of ${installed}`,
    });
  }
  return { host, name, directory, live: active === "active" };
}

/**
 * Restores it, starts the app anew, and waits until it serves. Every file appears whole, so that one
 * that is cut can be run again.
 * @param unit the app's own, with its probe
 * @throws HoldfastError when the app does not come up; HostUnreachable
 */
export async function restoreApp(
  topology: ServiceTopology,
  { host, directory }: AppRestorePlan,
  unit: DesiredUnit,
): Promise<string> {
  const restore = `${appDirectory(topology.app.name)}/current/scripts/restore`;
  const said = await command(host, "restore the backup", [restore, directory], { timeoutMs: BACKUP_MS });
  await changeUnit(host, unit, "restart");
  return said.trim();
}
