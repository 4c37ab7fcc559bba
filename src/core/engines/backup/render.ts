/** The backups' place on app hosts and database hosts, and the app hosts' own backups. */
import { Phase, type DesiredTask } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { textFile } from "../base/files.ts";
import { serviceEngine, type HostPart } from "../engine.ts";
import { mountPart, type MountSource } from "../storage/mount.ts";
import { backupDirectory, backupSource, dueTimer, storageDirectory } from "./place.ts";
import { appBackupScript, appBackupService } from "./script.ts";

export const backupPaths = {
  script: "/etc/holdfast/app-backup",
  service: "/etc/systemd/system/holdfast-app-backup.service",
  timer: "/etc/systemd/system/holdfast-app-backup.timer",
} as const;

export const backup = serviceEngine({
  name: "backup",
  secrets: () => [],
  render: ({ topology }) => {
    if (topology.backup === undefined) return [];
    const { app, database } = topology;
    const source = backupSource(topology);
    // On the hosts' own disks only the app hosts have any.
    const hosts = source === null ? app.hosts : [...new Set([...app.hosts, ...database.hosts])];
    return hosts.map((host) => renderHost(topology, host, source));
  },
});

function renderHost(topology: ServiceTopology, host: string, source: MountSource | null): HostPart {
  const path = backupDirectory(topology);
  // Everybody may pass, to what is theirs; nobody but root may look.
  const directory = { owner: "root:root", mode: 0o711 };
  const place: Omit<HostPart, "host"> =
    source === null
      ? { directories: [{ path, ...directory }] }
      : mountPart({ path, source, title: "Backups", id: "backup", phase: Phase.backup, directory });
  const app = topology.app.hosts.includes(host) ? appPart(topology) : {};
  return {
    host,
    ...place,
    files: [...(place.files ?? []), ...(app.files ?? [])],
    units: [...(place.units ?? []), ...(app.units ?? [])],
    tasks: [
      ...(host === topology.app.hosts[0] ? storageTasks(topology) : []),
      ...(place.tasks ?? []),
      ...(source === null ? [] : [passTask(path)]),
    ],
  };
}

function appPart(topology: ServiceTopology): Omit<HostPart, "host"> {
  const files = [
    textFile(backupPaths.script, appBackupScript(topology), { mode: 0o755 }),
    textFile(backupPaths.service, appBackupService(backupPaths.script)),
    textFile(backupPaths.timer, dueTimer("Backup of this app host")),
  ];
  return {
    files,
    units: [
      {
        name: "holdfast-app-backup.timer",
        phase: Phase.agent,
        state: "running",
        files: files.map(({ path }) => path),
        onChange: "restart",
      },
    ],
  };
}

/** The directory of the shared storage must be there before it can be mounted: who has the storage makes it. */
function storageTasks({ backup, storage }: ServiceTopology): DesiredTask[] {
  if (backup?.target.kind !== "storage" || storage?.source.kind !== "nfs") return [];
  const path = `${storage.mount}/${storageDirectory}`;
  return [
    {
      id: "backup-storage",
      title: `make ${path}`,
      phase: Phase.storage, // after the mount of the same phase
      done: ["timeout", "5", "test", "-d", path],
      act: ["timeout", "20", "install", "-d", "-m", "0711", path],
    },
  ];
}

/** postgres must get through to its repository, whatever the server made of the root's mode. */
const passTask = (path: string): DesiredTask => ({
  id: "backup-root",
  title: `let postgres through ${path}`,
  phase: Phase.backup,
  done: ["sh", "-c", `[ $(( 0$(timeout 5 stat -c %a "$1") & 1 )) = 1 ]`, "sh", path],
  act: ["timeout", "20", "chmod", "0711", path],
});
