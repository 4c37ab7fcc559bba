/** The database cluster taken out of use and brought back with other data: Patroni on each host, and what etcd keeps of it. */
import { z } from "zod";
import { addressOf } from "../../core/engines/address.ts";
import { dynamicConfig } from "../../core/engines/postgres/dynamic.ts";
import { postgresPaths, restPort } from "../../core/engines/postgres/paths.ts";
import { tlsPaths } from "../../core/engines/tls.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { poll } from "../../lib/retry.ts";
import type { Host } from "../../ports.ts";
import { asideDirectory, type ScratchPaths } from "./scratch.ts";
import { command, psql, shell } from "./shell.ts";

/** Not only stopped: a host that boots in the middle must not start it again. */
export const stopPatroni = (host: Host): Promise<string> =>
  command(host, "stop Patroni", ["systemctl", "disable", "--now", "patroni.service"], { timeoutMs: 120_000 });

export const startPatroni = (host: Host): Promise<string> =>
  shell(
    host,
    "start Patroni",
    "systemctl reset-failed patroni.service || :; systemctl enable --now patroni.service",
    {
      timeoutMs: 120_000,
    },
  );

/**
 * $1 in use, $2 work, $3 where the replaced directory goes. The two directories change places in one
 * system call: there is no moment without a data directory. The copy's files are on the disk already:
 * pgBackRest wrote what it copied, PostgreSQL the rest as it was shut down.
 */
export const exchangeScript = `
[ ! -e "$1/postmaster.pid" ]
[ -d "$1" ] || install -d -m 0700 -o postgres -g postgres "$1"
rm -f -- "$2/unfinished"
sync "$2"
${postgresPaths.python} - "$1" "$2/data" <<'PYTHON'
import ctypes, os, sys
AT_FDCWD, RENAME_EXCHANGE = -100, 2
libc = ctypes.CDLL(None, use_errno=True)
if libc.renameat2(AT_FDCWD, sys.argv[1].encode(), AT_FDCWD, sys.argv[2].encode(), RENAME_EXCHANGE) != 0:
    raise SystemExit("exchange: " + os.strerror(ctypes.get_errno()))
PYTHON
sync "$(dirname "$1")"
mv -T -- "$2/data" "$3"
rm -rf -- "$2"
rmdir -- "$3" 2> /dev/null || :`;

/** Puts the recovered copy in the place of what is in use. @returns where that is now */
export async function exchange(host: Host, { live, work }: ScratchPaths, stamp: string): Promise<string> {
  const aside = asideDirectory(live, stamp);
  await shell(host, "put the copy into use", exchangeScript, {
    args: [live, work, aside],
    timeoutMs: 600_000,
  });
  return aside;
}

export const setAsideScript = `[ ! -e "$1/postmaster.pid" ]
[ ! -d "$1" ] || mv -T -- "$1" "$2"
rmdir -- "$2" 2> /dev/null || :
install -d -m 0700 -o postgres -g postgres "$1"
sync "$(dirname "$1")"`;

/** Takes a host's data out of use: it is cloned anew from the host that leads. */
export async function setAside(host: Host, live: string, stamp: string): Promise<void> {
  const args = [live, asideDirectory(live, stamp)];
  await shell(host, "set the old data aside", setAsideScript, { args, timeoutMs: 600_000 });
}

const base64 = (text: string): string => Buffer.from(text).toString("base64");

/**
 * In one transaction of etcd: the cluster is the restored one, and nobody but its host may lead. The
 * settings stay. Whoever starts without data then waits for that host; it does not make a cluster.
 */
export function recordTransaction(scope: string, leader: string, system: string): string {
  const key = (name: string): string => base64(`/holdfast/${scope}/${name}`);
  const put = (name: string, value: string): object => ({
    requestPut: { key: key(name), value: base64(value) },
  });
  const gone = ["leader", "failover", "history", "status", "optime/leader", "failsafe"];
  return JSON.stringify({
    success: [
      put("initialize", system),
      put("sync", JSON.stringify({ leader, sync_standby: null })),
      ...gone.map((name) => ({ requestDeleteRange: { key: key(name) } })),
    ],
  });
}

/** @throws HoldfastError when no member of etcd does it */
export async function record(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  leader: string,
  system: string,
): Promise<void> {
  await askEtcd(topology, hosts, "txn", recordTransaction(topology.name, leader, system));
}

export const syncQuestion = (scope: string): string =>
  JSON.stringify({ key: base64(`/holdfast/${scope}/sync`) });

const rangeSchema = z.object({ kvs: z.array(z.object({ value: z.string() })).default([]) });
const syncSchema = z.object({ leader: z.string().nullish() });

/** Who led last in a cluster that is down, as far as etcd knows: nobody has more of what was acknowledged. */
export async function lastLeader(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
): Promise<string | undefined> {
  const answer = await askEtcd(topology, hosts, "range", syncQuestion(topology.name));
  const [found] = rangeSchema.parse(JSON.parse(answer)).kvs;
  if (found === undefined) return undefined;
  const sync = syncSchema.safeParse(JSON.parse(Buffer.from(found.value, "base64").toString()));
  return sync.data?.leader ?? undefined;
}

/** Through the first member that answers, by its JSON gateway. @throws HoldfastError when none does */
async function askEtcd(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  path: "txn" | "range",
  stdin: string,
): Promise<string> {
  const tls = tlsPaths("etcd");
  const failures: string[] = [];
  for (const name of topology.coordination.hosts) {
    const host = hosts.get(name);
    if (host === undefined) continue;
    const url = `https://${addressOf(topology, name)}:2379/v3/kv/${path}`;
    const options = ["--silent", "--show-error", "--fail", "--max-time", "10", "--data-binary", "@-"];
    const argv = ["curl", ...options, "--cacert", tls.ca, "--cert", tls.certificate, "--key", tls.key, url];
    try {
      return await command(host, "ask etcd", argv, { stdin, timeoutMs: 15_000 });
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      failures.push(error.message);
    }
  }
  throw new HoldfastError(`etcd does not answer:\n  ${failures.join("\n  ")}`, {
    fix: "bring etcd back (`holdfast up`), and run the restore again",
  });
}

/** Milliseconds until the restored host leads: it only starts, its recovery is done. */
const LEAD_MS = 120_000;

export async function waitForLeader(host: Host, topology: ServiceTopology): Promise<void> {
  const url = `https://${addressOf(topology, host.name)}:${restPort}/primary`;
  const ask = [
    "curl",
    "--silent",
    "--fail",
    "--output",
    "/dev/null",
    "--max-time",
    "3",
    "--cacert",
    tlsPaths("postgres").ca,
    url,
  ];
  await poll(async () => (await host.run(ask)).code === 0, {
    deadlineMs: LEAD_MS,
    intervalMs: 500,
    what: `${host.name} to lead`,
    fix: `look at it: journalctl -u patroni on ${host.name}`,
  });
}

/** Waits until every other host streams from the one that leads: each copies the whole database. */
export async function waitForReplicas(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
): Promise<void> {
  const deputy = hosts.get(topology.database.hosts[0] ?? "");
  if (deputy === undefined) return;
  const argv = [postgresPaths.cluster, "wait", JSON.stringify(dynamicConfig(topology))];
  await command(deputy, "see every replica stream", argv, {
    timeoutMs: 300_000,
    fix: "the database serves; a replica of a large database takes longer: look at `holdfast status`",
  });
}

/** Free bytes where the host has its database. */
export async function freeBytes(host: Host, live: string): Promise<number> {
  const script = `path=$1; [ -e "$path" ] || path=$(dirname "$path"); stat --file-system --format='%a %S' "$path"`;
  const [blocks = Number.NaN, size = Number.NaN] = (
    await shell(host, "measure free space", script, { args: [live] })
  )
    .trim()
    .split(" ")
    .map(Number);
  return blocks * size;
}

/** A last look from a client's side. */
export const askDatabase = (host: Host, { database }: ServiceTopology): Promise<string> =>
  command(host, `ask ${database.name}`, psql("/run/postgresql", database.port, database.name, "SELECT 1"));
