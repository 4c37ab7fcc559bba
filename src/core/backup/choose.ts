import type { DatabaseBackup } from "./repository.ts";

export type Choice = { readonly backup: DatabaseBackup } | { readonly reason: string; readonly fix: string };

/**
 * The backup that a restore starts from: the newest that had stopped by the wanted time, since WAL can
 * only be replayed forwards. `at` and `now` are Unix seconds; without `at` it is the newest.
 */
export function chooseBackup(
  backups: readonly DatabaseBackup[],
  { at, now }: { readonly at?: number | undefined; readonly now: number },
): Choice {
  const good = backups.filter(({ damaged }) => !damaged).toSorted((a, b) => a.stopped - b.stopped);
  const [oldest] = good;
  if (oldest === undefined) {
    return backups.length === 0
      ? { reason: "there is no backup of the database", fix: "make one: holdfast backup database" }
      : {
          reason: `each backup holds damaged pages (${backups.map(({ label }) => label).join(", ")})`,
          fix: "restore one by hand with pgbackrest, and look at what it holds",
        };
  }
  if (at !== undefined && at > now) {
    return {
      reason: `${isoTime(at)} has not come yet`,
      fix: "leave --at out to restore all that is archived",
    };
  }
  const backup = at === undefined ? good.at(-1) : good.findLast(({ stopped }) => stopped <= at);
  if (backup !== undefined) return { backup };
  return {
    reason: `the oldest backup is of ${isoTime(oldest.stopped)}, after the time that is asked for`,
    fix: `give --at ${isoTime(oldest.stopped)} or later`,
  };
}

/** Unix seconds -> "2026-11-20T15:04:05Z" */
export const isoTime = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().replace(/\.000Z$/, "Z");
