export const pgbackrestPaths = {
  config: "/etc/pgbackrest/pgbackrest.conf",
  script: "/etc/holdfast/postgres/database-backup",
  service: "/etc/systemd/system/holdfast-database-backup.service",
  timer: "/etc/systemd/system/holdfast-database-backup.timer",
} as const;

export const databaseBackupUnit = "holdfast-database-backup";
