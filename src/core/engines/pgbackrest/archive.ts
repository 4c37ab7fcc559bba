/** The WAL archive: what PostgreSQL is told about it. */
import type { ServiceTopology } from "../../topology/schema.ts";
import { backupDirectory, backupSource } from "../backup/place.ts";

/** Whether the database is backed up: only to a place that outlives its hosts. */
export const archivesWal = (topology: ServiceTopology): boolean => backupSource(topology) !== null;

export const repositoryPath = (topology: ServiceTopology): string => `${backupDirectory(topology)}/database`;

/** pgBackRest's name for one cluster's backups and WAL. */
export const stanza = ({ name }: ServiceTopology): string => name;

/**
 * Seconds after which an unfinished WAL segment is archived all the same: with the time of the copy
 * this is what a disaster that takes every database host can cost.
 */
export const archiveTimeoutSeconds = 60;

/**
 * PostgreSQL's settings for the archive. A command that hangs on the server is ended, so that a
 * shutdown never waits for long; PostgreSQL tries again. There is no restore_command: a promotion must
 * not wait for the archive's server, and a replica that is too far behind is cloned anew.
 */
export const archiveParameters = (topology: ServiceTopology): Record<string, string> =>
  archivesWal(topology)
    ? {
        archive_mode: "on",
        archive_command: `timeout --kill-after=5 60 pgbackrest --stanza=${stanza(topology)} archive-push %p`,
        archive_timeout: `${archiveTimeoutSeconds}s`,
      }
    : {};
