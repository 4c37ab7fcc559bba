import { isoTime } from "../core/backup/choose.ts";
import { archivesWal } from "../core/engines/pgbackrest/archive.ts";
import { isService, type ServiceTopology } from "../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import type { Host } from "../ports.ts";
import { appHosts, backupApp, listAppBackups, verifyAppBackup } from "../run/backup/app.ts";
import { backupDatabase, backupTypes, type BackupType, verifyRepository } from "../run/backup/database.ts";
import { databaseHosts, keepProof, readProofs, readRepository } from "../run/backup/repository.ts";
import { proveBackup } from "../run/backup/restore-database.ts";
import { openProvider } from "../run/provider.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology } from "./load.ts";

export const usage =
  "holdfast backup database|app|list|verify|prove [FILE|BLUEPRINT] [--type full|diff|incr] [--host NAME] [--json]";

interface Context {
  readonly topology: ServiceTopology;
  readonly hosts: ReadonlyMap<string, Host>;
  readonly io: CommandIo;
  readonly flags: { readonly type: BackupType; readonly host: string | undefined };
}

/** Makes backups of the database or of the app hosts; lists them, verifies them, proves that they restore. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const options = { type: { type: "string" }, host: { type: "string" } } as const;
  const { positionals, values } = parseCommand(args, usage, options, 2);
  const [what, file] = positionals;
  const action = actions[what ?? ""];
  const type = backupTypes.find((type) => type === (values.type ?? "full"));
  if (action === undefined || type === undefined) {
    const found =
      action === undefined ? `backup what? ${what ?? ""}`.trim() : `no backup is a ${values.type}`;
    throw new HoldfastError(found, { fix: `usage: ${usage}`, exitStatus: ExitStatus.usage });
  }
  const { topology } = await loadTopology(file, io);
  const service = requireBackups(topology);
  const { hosts } = await openProvider(topology, io.home, io.reporter);
  return action({ topology: service, hosts, io, flags: { type, host: values.host } });
}

/** @throws HoldfastError where there is nothing that is backed up */
export function requireBackups(topology: Parameters<typeof isService>[0]): ServiceTopology {
  if (isService(topology) && topology.backup !== undefined) return topology;
  throw new HoldfastError(`${topology.name} has no backups`, {
    fix: isService(topology) ? "add `backup` with a target" : "there is no app and no database to back up",
    exitStatus: ExitStatus.usage,
  });
}

/** "20261120T150000Z" */
export const stampOf = (now: Date): string => now.toISOString().replaceAll(/[-:]|\.\d+/g, "");

const actions: Readonly<Record<string, (context: Context) => Promise<ExitStatus>>> = {
  database: async ({ topology, hosts, io, flags }) => {
    const report = io.reporter.task(`${flags.type} backup of the database`);
    const { backup, host } = await backupDatabase(topology, hosts, flags.type).catch((error: Error) => {
      report.fail(error.message);
      throw error;
    });
    report.done(backup.label);
    const { type: kind, ...rest } = backup;
    const line = { type: "backup", of: "database", kind, host, ...rest };
    io.stdout(io.json ? JSON.stringify(line) : `${backup.label} made on ${host}`);
    return ExitStatus.ok;
  },
  app: async ({ topology, hosts, io, flags }) => {
    const chosen = appHosts(topology, hosts).filter(({ name }) => [name, undefined].includes(flags.host));
    if (chosen.length === 0) {
      throw new HoldfastError(`${flags.host ?? "none"} is no app host that exists`, {
        fix: `one of: ${topology.app.hosts.join(", ")}`,
        exitStatus: ExitStatus.usage,
      });
    }
    const made = await Promise.all(
      chosen.map(async (host) => ({ host: host.name, path: await backupApp(host) })),
    );
    for (const backup of made)
      io.stdout(io.json ? JSON.stringify({ type: "backup", of: "app", ...backup }) : backup.path);
    return ExitStatus.ok;
  },
  list,
  verify,
  prove,
};

async function list({ topology, hosts, io }: Context): Promise<ExitStatus> {
  if (archivesWal(topology)) await listDatabase(topology, hosts, io);
  for (const { name, hostname, time } of await listAppBackups(topology, hosts)) {
    const line = { type: "backup", of: "app", name, hostname, time };
    io.stdout(io.json ? JSON.stringify(line) : `app       ${name}`);
  }
  return ExitStatus.ok;
}

async function listDatabase(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  io: CommandIo,
): Promise<void> {
  const { repository, by } = await readRepository(topology, databaseHosts(topology, hosts));
  const proofs = new Map((await readProofs(by, topology)).map((proof) => [proof.backup, proof]));
  for (const backup of repository.backups) {
    const proof = proofs.get(backup.label);
    const proven = proof === undefined ? null : isoTime(proof.provenAt);
    const note = backup.damaged ? "damaged" : proven === null ? "unproven" : `restored ${proven}`;
    const { type: kind, ...rest } = backup;
    io.stdout(
      io.json
        ? JSON.stringify({ type: "backup", of: "database", kind, ...rest, proven })
        : `database  ${backup.label.padEnd(33)} ${isoTime(backup.stopped)}  ${mebibytes(backup.size).padStart(9)}  ${note}`,
    );
  }
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MiB`;

async function verify({ topology, hosts, io }: Context): Promise<ExitStatus> {
  const { backups, wrong } = archivesWal(topology)
    ? await verifyRepository(topology, hosts)
    : { backups: [], wrong: [] };
  const apps = await Promise.all(
    (await listAppBackups(topology, hosts)).map(async ({ name, by }) => ({
      name,
      wrong: await verifyAppBackup(by, name),
    })),
  );
  const damaged = apps.filter((app) => app.wrong !== null);
  const good = wrong.length === 0 && damaged.length === 0;
  if (io.json)
    io.stdout(
      JSON.stringify({ type: "verify", good, database: { backups: backups.length, wrong }, app: apps }),
    );
  else {
    if (archivesWal(topology)) {
      const found = wrong.length === 0 ? `${backups.length} backups and their WAL are good` : "DAMAGED";
      io.stdout(`database  ${found}`);
    }
    for (const line of wrong) io.stdout(`            ${line}`);
    io.stdout(`app       ${apps.length - damaged.length} of ${apps.length} backups are good`);
    for (const { name, wrong } of damaged) io.stdout(`            ${name}: ${wrong}`);
  }
  return good ? ExitStatus.ok : ExitStatus.error;
}

async function prove({ topology, hosts, io }: Context): Promise<ExitStatus> {
  const now = new Date();
  const proof = await proveBackup(topology, hosts, {
    stamp: stampOf(now),
    now: now.getTime() / 1000,
    reporter: io.reporter,
    clock: () => performance.now(),
  });
  const [by] = databaseHosts(topology, hosts).filter(({ name }) => name === proof.host);
  const recoveredTo = proof.lastTransaction;
  if (by !== undefined) {
    const kept = {
      backup: proof.backup,
      provenAt: Math.floor(Date.now() / 1000),
      tookMs: proof.tookMs,
      recoveredTo,
    };
    await keepProof(by, topology, kept);
  }
  io.stdout(
    io.json
      ? JSON.stringify({ type: "proof", ...proof })
      : `${proof.backup} restores: ${(proof.tookMs / 1000).toFixed(1)} s on ${proof.host}, last transaction ${recoveredTo ?? "before the backup"}`,
  );
  return ExitStatus.ok;
}
