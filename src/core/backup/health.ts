/** Is the database backed up well enough to lose every host that holds it? */
import { backupPeriodSeconds } from "../engines/backup/place.ts";
import { archiveTimeoutSeconds } from "../engines/pgbackrest/archive.ts";
import type { Repository } from "./repository.ts";

/** What the host that leads says of its archive. */
export interface ArchiveState {
  /** Of the cluster; a number of 64 bits, as text. */
  readonly system: string;
  /** Seconds that the oldest finished WAL segment has waited to be archived; 0 when none waits. */
  readonly waitedSeconds: number;
  /** Finished segments that wait. */
  readonly waiting: number;
}

export interface BackupState {
  /** Null when no host could ask. */
  readonly repository: Repository | null;
  /** Null when nobody leads. */
  readonly archive: ArchiveState | null;
  /** Unix seconds. */
  readonly now: number;
}

/** Segments are copied in a moment: one that has waited this long is not slow, it is stuck. */
const stuckSeconds = archiveTimeoutSeconds;

/** In one line what there is, and in a sentence each what is missing; nothing missing: no risks. */
export function judgeBackups(
  { repository, archive, now }: BackupState,
  schedule: keyof typeof backupPeriodSeconds,
): { readonly summary: string; readonly risks: readonly string[]; readonly usable: boolean } {
  if (repository === null)
    return {
      summary: "the repository does not answer",
      risks: ["nobody can say what is backed up"],
      usable: false,
    };
  const newest = repository.backups.findLast(({ damaged }) => !damaged);
  const system = repository.systems.at(-1);
  const foreign = archive !== null && system !== undefined && system !== archive.system;
  const age = newest === undefined ? 0 : now - newest.stopped;
  const risks = [
    ...(newest === undefined
      ? [repository.running ? "the first backup is being made" : "there is no backup of the database"]
      : []),
    // A backup may take long itself, and is made up for when it was due on a host that was off.
    ...(age > 2 * backupPeriodSeconds[schedule]
      ? [`the newest backup is ${duration(age)} old: journalctl -u holdfast-database-backup`]
      : []),
    ...repository.backups
      .filter(({ damaged }) => damaged)
      .map(({ label }) => `backup ${label} holds damaged pages`),
    ...(foreign
      ? [
          "WAL is not archived: the backups are of another cluster. `holdfast restore database` brings it back",
        ]
      : archive !== null && archive.waitedSeconds > stuckSeconds
        ? [
            `WAL has waited ${duration(archive.waitedSeconds)} to be archived (${archive.waiting} segments): what was written since is on the database hosts only`,
          ]
        : []),
  ];
  const summary =
    newest === undefined
      ? "no backup"
      : `newest ${newest.label}, ${duration(age)} old; ${archive === null ? "nobody archives WAL" : `WAL archived${archive.waiting === 0 ? "" : `, ${archive.waiting} segments to go`}`}`;
  return { summary, risks, usable: newest !== undefined };
}

/** 7500 -> "2 h"; rounded down, in the largest unit that is not 0. */
export function duration(seconds: number): string {
  const units = [
    [86_400, "days"],
    [3600, "h"],
    [60, "min"],
  ] as const;
  for (const [length, unit] of units) if (seconds >= length) return `${Math.floor(seconds / length)} ${unit}`;
  return `${Math.max(0, Math.floor(seconds))} s`;
}
