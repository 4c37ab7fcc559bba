/** Names, parameters and directories that a topology must leave to the system and to Holdfast. */
import type { Mistake } from "./references.ts";
import type { Sections } from "./sections.ts";

/** What Holdfast or Patroni sets, with the topology's own key for it where there is one. */
const managedParameters: Record<string, string | undefined> = {
  listen_addresses: undefined,
  port: "database.port",
  max_connections: "database.maxConnections",
  data_directory: undefined,
  hba_file: undefined,
  ident_file: undefined,
  config_file: undefined,
  external_pid_file: undefined,
  unix_socket_directories: undefined,
  ssl: undefined,
  ssl_cert_file: undefined,
  ssl_key_file: undefined,
  ssl_ca_file: undefined,
  password_encryption: undefined,
  wal_level: undefined,
  wal_log_hints: undefined,
  hot_standby: undefined,
  archive_mode: "backup",
  archive_command: "backup",
  cluster_name: undefined,
  primary_conninfo: undefined,
  primary_slot_name: undefined,
  restore_command: undefined,
  recovery_target_timeline: undefined,
  synchronous_standby_names: "objectives.database.dataLoss",
};

const systemUsers = [
  "root",
  "daemon",
  "bin",
  "sys",
  "nobody",
  "www-data",
  "haproxy",
  "keepalived",
  "nginx",
  "postgres",
  "patroni",
  "etcd",
  "redis",
  "holdfast",
];

const systemDatabases = ["postgres", "template0", "template1"];
// The roles that Patroni needs: superuser, replication, rewind.
const systemRoles = ["postgres", "replicator", "replication", "rewind"];

const systemDirectories = [
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/home",
  "/lib",
  "/lib64",
  "/opt",
  "/proc",
].concat([
  "/root",
  "/run",
  "/sbin",
  "/srv",
  "/sys",
  "/tmp",
  "/usr",
  "/var",
  "/var/lib",
  "/var/log",
  "/var/backups",
]);
// Below these nothing may be mounted at all: the system makes and removes what is there.
const systemTrees = ["/proc", "/sys", "/dev", "/run", "/etc", "/usr", "/boot"];

export function reservedProblems(sections: Sections): Mistake[] {
  return [...parameters(sections), ...databaseNames(sections), ...appUser(sections), ...mountPoint(sections)];
}

function parameters({ database }: Sections): Mistake[] {
  return Object.keys(database?.parameters ?? {})
    .filter((name) => Object.hasOwn(managedParameters, name.toLowerCase()))
    .map((name) => {
      const key = managedParameters[name.toLowerCase()];
      return {
        code: "HF037",
        path: ["database", "parameters", name],
        found: `${name} is set by Holdfast`,
        fix: key === undefined ? "remove it" : `remove it and use ${key}`,
      };
    });
}

function databaseNames({ database }: Sections): Mistake[] {
  if (database === undefined) return [];
  const mistakes: Mistake[] = [];
  if (systemDatabases.includes(database.name)) {
    mistakes.push({
      code: "HF036",
      path: ["database", "name"],
      found: `"${database.name}" is PostgreSQL's own database`,
    });
  }
  if (systemRoles.includes(database.user) || database.user.startsWith("pg_")) {
    mistakes.push({
      code: "HF036",
      path: ["database", "user"],
      found: `the role "${database.user}" is PostgreSQL's or Patroni's own`,
    });
  }
  return mistakes;
}

function appUser({ app }: Sections): Mistake[] {
  if (app === undefined || !systemUsers.includes(app.user)) return [];
  const found = `"${app.user}" is a user of the system or of an engine`;
  return [{ code: "HF038", path: ["app", "user"], found, fix: `choose another name, such as ${app.name}` }];
}

function mountPoint({ storage }: Sections): Mistake[] {
  if (storage === undefined) return [];
  const mount = storage.mount.replace(/\/+$/, "") || "/";
  const clash =
    mount === "/" ||
    systemDirectories.includes(mount) ||
    systemTrees.some((tree) => mount.startsWith(`${tree}/`));
  if (!clash) return [];
  return [{ code: "HF035", path: ["storage", "mount"], found: `${mount} belongs to the system` }];
}
