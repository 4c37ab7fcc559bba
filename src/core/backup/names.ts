/** Names of the app hosts' backups: `<hostname>_yyyy-mm-dd-hhmm` (R1.9), in the host's own time. */

export interface AppBackupName {
  readonly name: string;
  readonly hostname: string;
  /** "2026-11-20 15:04", in the host's own time. */
  readonly time: string;
}

/** @returns null for what is no finished backup: one that is being written has a longer name */
export function parseAppBackup(name: string): AppBackupName | null {
  const match = /^([A-Za-z0-9][A-Za-z0-9.-]*)_(\d{4}-\d{2}-\d{2})-(\d{2})(\d{2})$/.exec(name);
  const [, hostname, day, hour, minute] = match ?? [];
  return hostname === undefined ? null : { name, hostname, time: `${day} ${hour}:${minute}` };
}

/** Of what a directory holds, the finished backups, newest first. */
export const appBackups = (entries: readonly string[]): AppBackupName[] =>
  entries
    .map(parseAppBackup)
    .filter((entry) => entry !== null)
    .toSorted((a, b) => b.time.localeCompare(a.time) || a.hostname.localeCompare(b.hostname));
