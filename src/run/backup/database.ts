import type { DatabaseBackup } from "../../core/backup/repository.ts";
import { stanza } from "../../core/engines/pgbackrest/archive.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { lastLines } from "../../lib/exec.ts";
import type { Host } from "../../ports.ts";
import { askRepository, databaseHosts, findLeader, readRepository, requireArchive } from "./repository.ts";
import { asPostgres, command, COPY_MS } from "./shell.ts";

export const backupTypes = ["full", "diff", "incr"] as const;
export type BackupType = (typeof backupTypes)[number];

/**
 * Backs the database up from the host that leads. Cut anywhere, the backups that are there stay good.
 * @throws HoldfastError when nobody leads, or pgBackRest refuses; HostUnreachable
 */
export async function backupDatabase(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  type: BackupType,
): Promise<{ readonly backup: DatabaseBackup; readonly host: string }> {
  requireArchive(topology);
  const leader = await findLeader(topology, databaseHosts(topology, hosts));
  if (leader === undefined) {
    throw new HoldfastError("no host leads the database", { fix: "look at `holdfast status`" });
  }
  const { host, archive } = leader;
  const system = (await askRepository(host, topology))?.systems.at(-1);
  if (system !== undefined && system !== archive.system) {
    throw new HoldfastError("the repository holds the backups of another cluster", {
      fix: `bring that one back: holdfast restore database; or give the repository to this one, as postgres on ${host.name}: pgbackrest --stanza=${stanza(topology)} stanza-upgrade`,
    });
  }
  const pgbackrest = (...args: string[]): string[] =>
    asPostgres("pgbackrest", `--stanza=${stanza(topology)}`, ...args);
  await command(host, "make the stanza", pgbackrest("stanza-create"), { timeoutMs: 120_000 });
  await command(host, "back up the database", pgbackrest(`--type=${type}`, "backup"), { timeoutMs: COPY_MS });
  const backup = (await askRepository(host, topology))?.backups.at(-1);
  if (backup === undefined)
    throw new HoldfastError("the backup was made, but the repository does not list it");
  return { backup, host: host.name };
}

/**
 * Reads every file of the repository, and compares it with its checksum.
 * @returns what pgBackRest found wrong, a line each
 * @throws HoldfastError when the repository does not answer
 */
export async function verifyRepository(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
): Promise<{ readonly backups: readonly DatabaseBackup[]; readonly wrong: readonly string[] }> {
  requireArchive(topology);
  const { repository, by } = await readRepository(topology, databaseHosts(topology, hosts));
  const options = ["--output=text", "--log-level-console=warn", "--process-max=2"];
  const argv = asPostgres("pgbackrest", `--stanza=${stanza(topology)}`, ...options, "verify");
  const { code, stdout, stderr } = await by.run(argv, { timeoutMs: COPY_MS });
  const wrong = wrongLines(stdout);
  if (code !== 0 && wrong.length === 0) wrong.push(lastLines(stderr || stdout, 3) || `exit ${code}`);
  return { backups: repository.backups, wrong };
}

/** Of `pgbackrest verify --output=text`, which says nothing when all is well: what stands behind the error. */
export function wrongLines(output: string): string[] {
  const lines = output.split("\n").map((line) => line.trim());
  const start = lines.indexOf("status: error");
  return start === -1 ? [] : lines.slice(start + 1).filter((line) => line !== "");
}
