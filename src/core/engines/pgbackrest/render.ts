/** pgBackRest: WAL archive and backups of the database, from whichever host leads. */
import { Phase, type DesiredTask } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { dueTimer } from "../backup/place.ts";
import { textFile } from "../base/files.ts";
import { serviceEngine, type HostPart } from "../engine.ts";
import { archivesWal, repositoryPath } from "./archive.ts";
import { backupService, pgbackrestConfig } from "./config.ts";
import { databaseBackupUnit, pgbackrestPaths } from "./paths.ts";
import { databaseBackupScript } from "./script.ts";

export const pgbackrest = serviceEngine({
  name: "pgbackrest",
  secrets: () => [],
  render: ({ topology }) =>
    archivesWal(topology) ? topology.database.hosts.map((host) => renderHost(topology, host)) : [],
});

function renderHost(topology: ServiceTopology, host: string): HostPart {
  const { backup } = topology;
  if (backup === undefined) throw new Error("no backup, but an archive");
  // Before PostgreSQL's first start, which archives at once.
  const config = {
    ...textFile(pgbackrestPaths.config, pgbackrestConfig(topology, backup.keep)),
    phase: Phase.base,
  };
  const units = [
    textFile(pgbackrestPaths.service, backupService(topology)),
    textFile(pgbackrestPaths.timer, dueTimer("Full backup of the database")),
  ];
  return {
    host,
    packages: ["pgbackrest"],
    directories: [
      { path: "/etc/pgbackrest", mode: 0o755, owner: "root:root" },
      { path: "/etc/holdfast/postgres", mode: 0o755, owner: "root:root" },
      { path: "/var/lib/pgbackrest", mode: 0o750, owner: "postgres:postgres" },
    ],
    files: [
      config,
      {
        ...textFile(pgbackrestPaths.script, databaseBackupScript(topology, backup.schedule), { mode: 0o755 }),
        phase: Phase.base,
      },
      ...units.map((file) => ({ ...file, phase: Phase.app })),
    ],
    tasks: [repositoryTask(repositoryPath(topology)), firstBackupTask],
    units: [
      {
        name: `${databaseBackupUnit}.timer`,
        phase: Phase.agent,
        state: "running",
        files: units.map(({ path }) => path),
        onChange: "restart",
      },
    ],
  };
}

/** The repository is postgres's on every host. A NAS knows users by number only: another number is said here. */
function repositoryTask(path: string): DesiredTask {
  const shell = (script: string): string[] => ["sh", "-euc", script, "sh", path];
  return {
    id: "backup-repository",
    title: `make the repository ${path}`,
    phase: Phase.backup, // after the mount of the same phase
    done: shell(`[ "$(timeout 5 stat -c %U "$1")" = postgres ]`),
    act: shell(`
if [ ! -e "$1" ]; then
  timeout 20 install -d -m 0750 -o postgres -g postgres "$1"
elif [ "$(stat -c %U "$1")" != postgres ]; then
  echo "$1 belongs to user id $(stat -c %u "$1"), postgres is $(id -u postgres) here: give postgres the same id on every database host" >&2
  exit 1
fi`),
  };
}

/** Once it is known who leads. It also turns up after a failover in the middle: then the other host makes it. */
const firstBackupTask: DesiredTask = {
  id: "database-first-backup",
  title: "make the first backup of the database",
  phase: Phase.app,
  done: [pgbackrestPaths.script, "prepared"],
  act: [pgbackrestPaths.script, "prepare"],
  timeoutMs: 200_000,
};
