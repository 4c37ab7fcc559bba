/** The database brought back from its backups: planned without touching anything, then done. */
import { chooseBackup } from "../../core/backup/choose.ts";
import type { DatabaseBackup, Repository } from "../../core/backup/repository.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Host, Reporter } from "../../ports.ts";
import {
  askDatabase,
  exchange,
  freeBytes,
  lastLeader,
  record,
  setAside,
  startPatroni,
  stopPatroni,
  waitForLeader,
  waitForReplicas,
} from "./cluster.ts";
import { databaseHosts, findLeader, readRepository, requireArchive } from "./repository.ts";
import {
  copyBackup,
  prepareScratch,
  recover,
  removeScratch,
  scratchPaths,
  type Recovered,
  type RecoveryTarget,
} from "./scratch.ts";

export interface RestorePlan {
  readonly backup: DatabaseBackup;
  readonly target: RecoveryTarget;
  readonly newestWal: string | null;
  /** Where it is restored: the one that leads, or led last, so that until the end the old cluster can come back. */
  readonly host: Host;
  readonly others: readonly Host[];
  /** The database is in use: what was written after the target is set aside. */
  readonly live: boolean;
}

export interface RestoreResult extends Recovered {
  readonly backup: string;
  readonly host: string;
  /** Milliseconds of everything, and of the part in which nobody could write. */
  readonly tookMs: number;
  readonly downMs: number;
  /** Data directory that was in use before, on `host`. */
  readonly before: string;
}

/** Beside the copy: WAL that is fetched while it recovers, and what it writes itself. */
const SPARE_BYTES = 512 * 1024 ** 2;

/**
 * Finds the backup, and whether there is room for it everywhere. Changes nothing.
 * @throws HoldfastError when a database host is away, no backup fits, or the space does not suffice
 */
export async function planRestore(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  target: RecoveryTarget,
  now: number,
): Promise<RestorePlan> {
  requireArchive(topology);
  const own = databaseHosts(topology, hosts);
  if (own.length < topology.database.hosts.length) {
    throw new HoldfastError("not every database host exists", { fix: "run `holdfast up` first" });
  }
  const { repository } = await readRepository(topology, own);
  const backup = choose(repository, target, now);
  const { live } = scratchPaths(topology);
  for (const host of own) {
    const free = await freeBytes(host, live);
    if (free < backup.size + SPARE_BYTES) throw noSpace(host, live, backup.size + SPARE_BYTES - free);
  }
  const leader = await findLeader(topology, own);
  const last = leader?.host.name ?? (await lastLeader(topology, hosts));
  const host = own.find(({ name }) => name === last) ?? own[0];
  if (host === undefined) throw new HoldfastError("there is no database host");
  return {
    backup,
    target,
    newestWal: repository.newestWal,
    host,
    others: own.filter((other) => other !== host),
    live: leader !== undefined,
  };
}

function choose(repository: Repository, { at }: RecoveryTarget, now: number): DatabaseBackup {
  const choice = chooseBackup(repository.backups, { at, now });
  if ("backup" in choice) return choice.backup;
  throw new HoldfastError(choice.reason, { fix: choice.fix });
}

function noSpace(host: Host, live: string, missing: number): HoldfastError {
  return new HoldfastError(
    `${host.name} lacks ${Math.ceil(missing / 1024 ** 2)} MiB: the old data stays beside the restored`,
    { fix: `make room there; what earlier restores replaced is in ${live}.before-*` },
  );
}

/**
 * Copies and verifies while the database goes on, then stops it everywhere, recovers the copy, and puts
 * it in the old one's place. Killed anywhere, `up` brings back either the old database or the restored
 * one; run again, it restores. What was replaced stays on its hosts.
 * @param stamp names what is set aside: "20261120T150000Z"
 * @throws HoldfastError; HostUnreachable
 */
export async function restoreDatabase(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  plan: RestorePlan,
  {
    stamp,
    reporter,
    clock,
  }: { readonly stamp: string; readonly reporter: Reporter; readonly clock: () => number },
): Promise<RestoreResult> {
  const { host, others, backup } = plan;
  const paths = scratchPaths(topology);
  const start = clock();
  await task(reporter, `copy ${backup.label} to ${host.name}`, async () => {
    await prepareScratch(host, topology, stamp);
    await copyBackup(host, topology, backup.label);
  });
  const down = clock();
  const recovered = await stopAndRecover(topology, plan, reporter);
  const before = await task(reporter, "put the restored database into use", async () => {
    const aside = await exchange(host, paths, stamp);
    await record(topology, hosts, host.name, recovered.system);
    for (const other of others) await setAside(other, paths.live, stamp);
    await startPatroni(host);
    await waitForLeader(host, topology);
    return aside;
  });
  const up = clock();
  await task(reporter, "clone the replicas", async () => {
    for (const other of others) await startPatroni(other);
    await waitForReplicas(topology, hosts);
    await askDatabase(host, topology);
  });
  return {
    ...recovered,
    backup: backup.label,
    host: host.name,
    tookMs: Math.round(clock() - start),
    downMs: Math.round(up - down),
    before,
  };
}

/** When it fails, the old database, which was not touched, comes back. */
async function stopAndRecover(
  topology: ServiceTopology,
  plan: RestorePlan,
  reporter: Reporter,
): Promise<Recovered> {
  // The host that leads comes last: what it archives as it stops is the newest there is.
  const order = [...plan.others, plan.host];
  try {
    await task(reporter, "stop the database", async () => {
      for (const host of order) await stopPatroni(host);
    });
    return await task(reporter, "replay the archive", async () => recoverAll(topology, plan));
  } catch (error) {
    const back = order.toReversed().map(async (host) => startPatroni(host));
    await Promise.allSettled(back);
    throw error;
  }
}

/** @throws HoldfastError when less was replayed than is archived: a segment in between is missing */
async function recoverAll(topology: ServiceTopology, plan: RestorePlan): Promise<Recovered> {
  const { host, target } = plan;
  // Asked again: the old primary archived its last as it stopped.
  const { repository } = await readRepository(topology, [host, ...plan.others]);
  const recovered = await recover(host, topology, target);
  const { newestWal } = repository;
  if (target.at === undefined && target.timeline === undefined && newestWal !== null) {
    if (segment(recovered.wal) < segment(newestWal)) {
      throw new HoldfastError(
        `the recovery ended in WAL segment ${recovered.wal}, but ${newestWal} is archived: one in between is missing`,
        { fix: "give --at with a time before the gap, to restore up to there" },
      );
    }
  }
  return recovered;
}

/** Place in the WAL, whatever the timeline: "0000000200000000000000A1" -> "00000000000000A1" */
const segment = (wal: string): string => wal.slice(8);

async function task<T>(reporter: Reporter, title: string, work: () => Promise<T>): Promise<T> {
  const report = reporter.task(title);
  try {
    const result = await work();
    report.done();
    return result;
  } catch (error) {
    report.fail((error as Error).message);
    throw error;
  }
}

export interface ProofResult extends Recovered {
  readonly backup: string;
  readonly host: string;
  readonly tookMs: number;
}

/** Restores the newest backup beside the database in use, looks whether it comes up, and removes it. */
export async function proveBackup(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  {
    stamp,
    now,
    reporter,
    clock,
  }: {
    readonly stamp: string;
    readonly now: number;
    readonly reporter: Reporter;
    readonly clock: () => number;
  },
): Promise<ProofResult> {
  const plan = await planRestore(topology, hosts, {}, now);
  // Not on the host that leads, if there is another.
  const host = plan.live ? (plan.others[0] ?? plan.host) : plan.host;
  const start = clock();
  return task(reporter, `restore ${plan.backup.label} on ${host.name}, beside the database`, async () => {
    await prepareScratch(host, topology, stamp);
    try {
      await copyBackup(host, topology, plan.backup.label);
      const recovered = await recover(host, topology, {});
      const tookMs = Math.round(clock() - start);
      return { ...recovered, backup: plan.backup.label, host: host.name, tookMs };
    } finally {
      await removeScratch(host, topology);
    }
  });
}
