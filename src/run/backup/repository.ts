/** The database's repository and archive, asked through the database hosts. */
import { parseProofs, type Proof } from "../../core/backup/proof.ts";
import { parseRepository, type Repository } from "../../core/backup/repository.ts";
import type { ArchiveState, BackupState } from "../../core/backup/health.ts";
import { archivesWal, repositoryPath, stanza } from "../../core/engines/pgbackrest/archive.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import { HoldfastError, HostUnreachable } from "../../lib/errors.ts";
import { lastLines } from "../../lib/exec.ts";
import type { Host, RunResult } from "../../ports.ts";
import { asPostgres, psql, shell } from "./shell.ts";

const ASK_MS = 10_000;

/** Hosts of the topology that have, or may have, the database. */
export const databaseHosts = ({ database }: ServiceTopology, hosts: ReadonlyMap<string, Host>): Host[] =>
  database.hosts.flatMap((name) => hosts.get(name) ?? []);

/** @throws HoldfastError when the topology keeps no backups of the database */
export function requireArchive(topology: ServiceTopology): void {
  if (archivesWal(topology)) return;
  throw new HoldfastError("the topology has no place for backups of the database that outlives its hosts", {
    fix: "add `backup` with the target nfs, or storage when that is a NAS",
  });
}

/** What the host's pgBackRest says; null when it does not. @throws HostUnreachable */
export async function askRepository(host: Host, topology: ServiceTopology): Promise<Repository | null> {
  const { code, stdout } = await askInfo(host, topology);
  return code === 0 ? parseRepository(stdout, stanza(topology)) : null;
}

/** From the first host that can ask. @throws HoldfastError with what each of them said */
export async function readRepository(
  topology: ServiceTopology,
  hosts: readonly Host[],
): Promise<{ readonly repository: Repository; readonly by: Host }> {
  const said: string[] = [];
  for (const host of hosts) {
    try {
      const { stdout, stderr } = await askInfo(host, topology);
      const repository = parseRepository(stdout, stanza(topology));
      if (repository !== null) return { repository, by: host };
      said.push(`${host.name}: ${lastLines(stderr || stdout, 3)}`);
    } catch (error) {
      if (!(error instanceof HostUnreachable)) throw error;
      said.push(error.message);
    }
  }
  throw new HoldfastError(`the repository does not answer\n  ${said.join("\n  ")}`, {
    fix: "look at `holdfast status`: the backups' server must be reachable, and mounted on the database hosts",
  });
}

const askInfo = (host: Host, topology: ServiceTopology): Promise<RunResult> =>
  // Killed on the host, so that a server that hangs does not look like a host that is down.
  host.run(
    asPostgres(
      "timeout",
      "-s",
      "KILL",
      "8",
      "pgbackrest",
      `--stanza=${stanza(topology)}`,
      "--output=json",
      "info",
    ),
    { timeoutMs: ASK_MS },
  );

const archiveQuery = `SELECT system_identifier, waiting, coalesce(waited, 0)::int FROM pg_control_system(),
(SELECT count(*) AS waiting, extract(epoch FROM now() - min(modification)) AS waited
 FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') AS queue WHERE NOT pg_is_in_recovery()`;

/** Of the host, when it leads; else null. @throws HostUnreachable */
export async function askArchive(host: Host, topology: ServiceTopology): Promise<ArchiveState | null> {
  const { code, stdout } = await host.run(
    psql("/run/postgresql", topology.database.port, "postgres", archiveQuery),
    { timeoutMs: ASK_MS },
  );
  const [system, waiting, waited] = stdout.trim().split(" ");
  if (code !== 0 || system === undefined || waited === undefined) return null;
  return { system, waiting: Number(waiting), waitedSeconds: Number(waited) };
}

/** The host that leads, with its archive; undefined when none does. Hosts that are down are passed over. */
export async function findLeader(
  topology: ServiceTopology,
  hosts: readonly Host[],
): Promise<{ readonly host: Host; readonly archive: ArchiveState } | undefined> {
  const answers = await Promise.all(
    hosts.map(async (host) => {
      const archive = await reachable(() => askArchive(host, topology));
      return archive === null ? [] : [{ host, archive }];
    }),
  );
  return answers.flat()[0];
}

/** For `status`; null where the topology keeps no backups of the database. `now` is Unix seconds. */
export async function observeBackups(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  now: number,
): Promise<BackupState | null> {
  if (!archivesWal(topology)) return null;
  const asked = databaseHosts(topology, hosts);
  const [repositories, leader] = await Promise.all([
    Promise.all(asked.map((host) => reachable(() => askRepository(host, topology)))),
    findLeader(topology, asked),
  ]);
  const answers = repositories.filter((repository) => repository !== null);
  // Only the host that makes a backup knows of it.
  const [first] = answers;
  const repository =
    first === undefined ? null : { ...first, running: answers.some(({ running }) => running) };
  return { repository, archive: leader?.archive ?? null, now };
}

async function reachable<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof HostUnreachable) return null;
    throw error;
  }
}

const proofsPath = (topology: ServiceTopology): string => `${repositoryPath(topology)}/proofs.ndjson`;

/** @throws HoldfastError, HostUnreachable */
export async function readProofs(host: Host, topology: ServiceTopology): Promise<Proof[]> {
  const script = `[ ! -e "$1" ] || timeout 5 cat -- "$1"`;
  return parseProofs(await shell(host, "read the proofs", script, { args: [proofsPath(topology)] }));
}

/** Adds it to the others. @throws HoldfastError, HostUnreachable */
export async function keepProof(host: Host, topology: ServiceTopology, proof: Proof): Promise<void> {
  // A line that was torn by a crash must not spoil the next.
  const script = `runuser -u postgres -- sh -euc 'printf "\\n%s\\n" "$2" >> "$1"; sync "$1"' sh "$1" "$2"`;
  await shell(host, "keep the proof", script, { args: [proofsPath(topology), JSON.stringify(proof)] });
}
