/** Where backups are, on every host that makes or reads them. */
import type { ServiceTopology } from "../../topology/schema.ts";
import type { MountSource } from "../storage/mount.ts";

export const backupsRoot = "/var/backups";

/** The same path on app hosts and database hosts: `<hostname>_yyyy-mm-dd-hhmm` of each app host, and `database`. */
export const backupDirectory = ({ app }: ServiceTopology): string => `${backupsRoot}/${app.name}`;

/** Directory of the shared storage that holds the backups, where that is their target. */
export const storageDirectory = "backups";

/** As the storage's default: a server that is away is waited for, and the boot is not held up. */
const nfsOptions = "vers=4.2,hard,timeo=50,retrans=2,_netdev";

/** What is mounted at the backups' directory; null when there are no backups, or only on the hosts' own disks. */
export function backupSource({ backup, storage }: ServiceTopology): MountSource | null {
  if (backup === undefined || backup.target.kind === "local") return null;
  if (backup.target.kind === "nfs") {
    return { kind: "nfs", server: backup.target.server, export: backup.target.export, options: nfsOptions };
  }
  if (storage === undefined || storage.source.kind === "local") return null;
  const { source } = storage;
  return source.kind === "lab" ? source : { ...source, export: `${source.export}/${storageDirectory}` };
}

/** Seconds between two full backups. */
export const backupPeriodSeconds = {
  hourly: 3600,
  daily: 86_400,
  weekly: 604_800,
} as const;

/** 1970-01-05 in seconds: periods of a week begin on Mondays, those of a day at midnight UTC. */
export const firstMonday = 345_600;

/** Looked at this often whether a backup is due: one that failed, or that a power cut hindered, is made up for soon. */
export const dueTimer = (what: string): string => `# Managed by Holdfast.
[Unit]
Description=${what}: looks whether one is due

[Timer]
OnCalendar=*:0/15
RandomizedDelaySec=60

[Install]
WantedBy=timers.target
`;
