import type { ServiceTopology } from "../../topology/schema.ts";
import { dataDirectory } from "../postgres/paths.ts";
import { repositoryPath, stanza } from "./archive.ts";
import { pgbackrestPaths } from "./paths.ts";

/** The same on every database host: whichever leads archives and backs up, to the one repository. */
export function pgbackrestConfig(topology: ServiceTopology, keep: number): string {
  const { database } = topology;
  return `# Managed by Holdfast: changes made here are undone by \`holdfast up\`.
[global]
repo1-path=${repositoryPath(topology)}
repo1-retention-full=${keep}
# small files together: a file costs a NAS more than its bytes
repo1-bundle=y
compress-type=lz4
# a checkpoint at once, instead of waiting for the next
start-fast=y
log-level-console=warn
# the journal has it
log-level-file=off
lock-path=/var/lib/pgbackrest/lock

[${stanza(topology)}]
pg1-path=${dataDirectory(database.version)}
pg1-port=${database.port}
pg1-socket-path=/run/postgresql
`;
}

export const backupService = (topology: ServiceTopology): string => `# Managed by Holdfast.
[Unit]
Description=Full backup of the database, on the host that leads
After=patroni.service

[Service]
Type=oneshot
User=postgres
Group=postgres
ExecCondition=${pgbackrestPaths.script} due
ExecStart=/usr/bin/pgbackrest --stanza=${stanza(topology)} --type=full backup
TimeoutStartSec=infinity
# clients come first
Nice=19
CPUWeight=20
IOWeight=20
`;
