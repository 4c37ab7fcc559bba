/**
 * A copy of the database, restored beside the one in use and recovered by a PostgreSQL of its own that
 * nobody can reach. It changes nothing but its own directory: it archives nothing, so that a timeline
 * which nobody comes to use leaves no trace in the repository.
 */
import { stanza } from "../../core/engines/pgbackrest/archive.ts";
import { binDirectory, dataDirectory } from "../../core/engines/postgres/paths.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import { writeFile } from "../../hosts/files.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Host } from "../../ports.ts";
import { asPostgres, command, COPY_MS, psql, shell } from "./shell.ts";

export interface ScratchPaths {
  /** The data directory in use. */
  readonly live: string;
  /** Holds everything of the copy. */
  readonly work: string;
  /** Its data directory. */
  readonly data: string;
}

export function scratchPaths({ database }: ServiceTopology): ScratchPaths {
  const live = dataDirectory(database.version);
  const work = `${live}.restore`;
  return { live, work, data: `${work}/data` };
}

/** Name of a data directory that was taken out of use. `stamp` as "20261120T150000Z". */
export const asideDirectory = (live: string, stamp: string): string => `${live}.before-${stamp}`;

/** One at a time per host; held by whatever still copies after its command was killed. */
const lock = "/run/holdfast/restore.lock";
const busy = 75;

/**
 * $1 work, $2 where a replaced data directory goes, $3 PostgreSQL's programs. What the copy's directory
 * holds without its mark is not a copy: a restore was killed right after it had exchanged the two.
 */
export const prepareScript = `
mkdir -p /run/holdfast
exec 9> ${lock}
flock -n 9 || exit ${busy}
if [ -e "$1/data" ] && [ ! -e "$1/unfinished" ]; then mv -T -- "$1/data" "$2"; fi
if [ -e "$1/data/postmaster.pid" ]; then
  runuser -u postgres -- "$3/pg_ctl" -D "$1/data" -m immediate -w -t 60 stop || [ ! -e "$1/data/postmaster.pid" ]
fi
rm -rf -- "$1"
install -d -m 0700 -o postgres -g postgres "$1"
: > "$1/unfinished"
sync "$1"
install -d -m 0700 -o postgres -g postgres "$1/data"`;

/** Makes an empty place for the copy. @throws HoldfastError when another restore is at work there */
export async function prepareScratch(host: Host, topology: ServiceTopology, stamp: string): Promise<void> {
  const { live, work } = scratchPaths(topology);
  const args = [work, asideDirectory(live, stamp), binDirectory(topology.database.version)];
  const { code, stderr } = await host.run(["sh", "-euc", prepareScript, "sh", ...args], {
    timeoutMs: COPY_MS,
  });
  if (code === 0) return;
  if (code === busy) {
    throw new HoldfastError(`another restore is still at work on ${host.name}`, {
      fix: "wait for it; if it is none of yours any more, end its pgbackrest there",
    });
  }
  throw new HoldfastError(`${host.name}: cannot make ${work}: ${stderr.trim()}`);
}

/** Copies a backup there; pgBackRest verifies the checksum of every file. */
export async function copyBackup(host: Host, topology: ServiceTopology, label: string): Promise<void> {
  const { data } = scratchPaths(topology);
  const options = [`--stanza=${stanza(topology)}`, `--pg1-path=${data}`, `--set=${label}`, "--type=none"];
  const argv = [
    "flock",
    "-n",
    "-E",
    String(busy),
    lock,
    ...asPostgres("pgbackrest", ...options, "--process-max=2", "restore"),
  ];
  await command(host, `copy backup ${label}`, argv, { timeoutMs: COPY_MS });
}

export interface RecoveryTarget {
  /** Unix seconds; absent: the end of the archive. */
  readonly at?: number | undefined;
  /** Absent: the newest. */
  readonly timeline?: number | undefined;
}

export interface Recovered {
  /** Of the cluster, as text: it has 64 bits. */
  readonly system: string;
  /** WAL segment that it stands in, on its new timeline. */
  readonly wal: string;
  /** Time of the last transaction that was replayed; null when there was none after the backup. */
  readonly lastTransaction: string | null;
}

/** Answers 1 when the archive does not have the file, which ends the recovery; trouble must not look like that. */
const getScript = (stanza: string, data: string): string => `#!/bin/sh
pgbackrest --stanza=${stanza} --pg1-path=${data} archive-get "$1" "$2"
status=$?
[ $status -le 1 ] || exit 255
exit $status
`;

function recoveryConfig({ work, data }: ScratchPaths, { at, timeline }: RecoveryTarget): string {
  return [
    `include '${data}/postgresql.conf'`,
    `restore_command = '${work}/get %f "%p"'`,
    `recovery_target_timeline = '${timeline ?? "latest"}'`,
    ...(at === undefined ? [] : [`recovery_target_time = '${recoveryTime(at)}'`]),
    "recovery_target_action = 'promote'",
    "",
  ].join("\n");
}

/** A numeric zone: while PostgreSQL reads its configuration it knows no names of zones, and "Z" is one. */
export const recoveryTime = (at: number): string => new Date(at * 1000).toISOString().replace("Z", "+00");

/** On the command line, where nothing in the copy's own files is stronger. */
const serverOptions = (work: string): string =>
  [
    `config_file=${work}/recovery.conf`,
    `hba_file=${work}/hba.conf`,
    `unix_socket_directories=${work}`,
    "listen_addresses=",
    "ssl=off",
    // What it writes waits, as it would for an archive that is away, until the copy comes into use.
    "archive_mode=on",
    "archive_command=",
    "synchronous_standby_names=",
    // Then it does not mind settings that were larger when the backup was made.
    "hot_standby=off",
  ]
    .map((setting) => `-c ${setting}`)
    .join(" ");

/** $1 work, $2 programs, $3 options, $4 port. Without hot standby pg_ctl does not wait for the end of the recovery. */
export const recoverScript = `
cd "$1"
rm -f data/standby.signal
: > data/recovery.signal
failed() { grep -E 'FATAL|PANIC' log | grep -vE 'not accepting|starting up' | tail -n 3 >&2; exit 1; }
"$2/pg_ctl" -D data -l log -w -t 86000 -o "$3" start > /dev/null || failed
until "$2/pg_isready" -q -h "$1" -p "$4"; do
  "$2/pg_ctl" -D data status > /dev/null || failed
  sleep 0.2
done`;

const resultQuery = `SELECT system_identifier, pg_walfile_name(pg_current_wal_lsn()),
coalesce(to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '-') FROM pg_control_system()`;

/**
 * Replays the archive, up to the target, and stops the copy as a primary that was shut down in order.
 * @throws HoldfastError when the archive ends before the target, or WAL is missing
 */
export async function recover(
  host: Host,
  topology: ServiceTopology,
  target: RecoveryTarget,
): Promise<Recovered> {
  const paths = scratchPaths(topology);
  const { work, data } = paths;
  const { database } = topology;
  const programs = binDirectory(database.version);
  const owned = { mode: 0o700, owner: "postgres:postgres" };
  await writeFile(host, { path: `${work}/get`, content: getScript(stanza(topology), data), ...owned });
  await writeFile(host, { path: `${work}/recovery.conf`, content: recoveryConfig(paths, target), ...owned });
  await writeFile(host, { path: `${work}/hba.conf`, content: "local all postgres peer\n", ...owned });
  const start = asPostgres(
    "sh",
    "-euc",
    recoverScript,
    "sh",
    work,
    programs,
    serverOptions(work),
    String(database.port),
  );
  await command(host, "recover the copy", start, { timeoutMs: COPY_MS }).catch(explain);
  const ask = (name: string, query: string): Promise<string> =>
    command(host, "ask the copy", psql(work, database.port, name, query));
  const [system = "", wal = "", last = "-"] = (await ask("postgres", resultQuery)).trim().split(" ");
  await ask(database.name, "SELECT 1");
  const stop = asPostgres(`${programs}/pg_ctl`, "-D", data, "-m", "fast", "-w", "-t", "3600", "stop");
  await command(host, "stop the copy", stop, { timeoutMs: 3_700_000 });
  return { system, wal, lastTransaction: last === "-" ? null : last };
}

function explain(error: unknown): never {
  if (
    error instanceof HoldfastError &&
    /recovery ended before configured recovery target/.test(error.message)
  ) {
    throw new HoldfastError("the archive ends before the time that is asked for", {
      fix: "give an earlier --at, or leave it out to restore all that is archived",
      cause: error,
    });
  }
  throw error;
}

/** Removes the copy. @throws HoldfastError, HostUnreachable */
export async function removeScratch(host: Host, topology: ServiceTopology): Promise<void> {
  const { work } = scratchPaths(topology);
  const script = `[ -e "$1/unfinished" ] || exit 0; rm -rf -- "$1"`;
  await shell(host, "remove the copy", script, { args: [work], timeoutMs: COPY_MS });
}
