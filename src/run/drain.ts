/** App hosts out of the pool and into it, at every entry host, without a reload. */
import { poolBackends } from "../core/engines/haproxy/entry.ts";
import type { ServiceTopology } from "../core/topology/schema.ts";
import {
  cutSessions,
  observeHaproxy,
  observeTraffic,
  setPoolState,
  type HaproxyServer,
  type ServerTraffic,
} from "../engines/haproxy.ts";
import { HoldfastError, HostUnreachable } from "../lib/errors.ts";
import { poll } from "../lib/retry.ts";
import type { Host } from "../ports.ts";

/** So long an entry host's checks may take to find a host that is back, ms: `rise` of them, on a busy machine. */
const UP_MS = 30_000;

/** Every entry host of the topology: a host that is out of the pool at one of them only is in it after a failover. */
export function entryHosts(topology: ServiceTopology, hosts: ReadonlyMap<string, Host>): Host[] {
  return topology.entry.hosts.map((name) => {
    const host = hosts.get(name);
    if (host === undefined)
      throw new HoldfastError(`host ${name} does not exist`, { fix: "run `holdfast up` first" });
    return host;
  });
}

/** The pool as one entry host sees it. @throws HostUnreachable, also when its HAProxy does not answer */
export async function poolOf(entry: Host): Promise<HaproxyServer[]> {
  return (await serversOf(entry)).filter(({ backend }) => backend === poolBackends[0]);
}

async function serversOf(entry: Host): Promise<HaproxyServer[]> {
  return answered(entry, await observeHaproxy(entry));
}

/** What each server of the pool has answered, as one entry host counts. @throws HostUnreachable when it does not say */
export async function trafficOf(entry: Host): Promise<ServerTraffic[]> {
  const servers = answered(entry, await observeTraffic(entry));
  return servers.filter(({ backend }) => backend === poolBackends[0]);
}

function answered<T>(entry: Host, rows: T | null): T {
  if (rows !== null) return rows;
  const fix = `look at it: holdfast status, and on ${entry.name}: journalctl -u haproxy`;
  throw new HostUnreachable(entry.name, "its HAProxy does not answer", fix);
}

export const isUp = (pool: readonly HaproxyServer[], server: string): boolean =>
  pool.some((row) => row.server === server && row.status === "UP");

/**
 * Takes an app host out of the pool at every entry host and waits until what it has under way has ended,
 * at most `deadlineMs`; then cuts the rest. Again is harmless.
 * @returns how many sessions were cut
 * @throws HoldfastError when no other app host would serve: nothing is changed then; HostUnreachable
 */
export async function drainHost(
  entries: readonly Host[],
  server: string,
  { deadlineMs }: { readonly deadlineMs: number },
): Promise<number> {
  await Promise.all(entries.map((entry) => refuseLast(entry, server)));
  await Promise.all(entries.map((entry) => setPoolState(entry, server, "maint")));
  let left = 0;
  const ended = async (): Promise<boolean> => {
    const counts = await Promise.all(entries.map((entry) => sessionsOf(entry, server)));
    left = counts.reduce((sum, count) => sum + count, 0);
    return left === 0;
  };
  await poll(ended, { deadlineMs, intervalMs: 200, what: `the sessions of ${server} to end` }).catch(
    (error: unknown) => {
      if (!(error instanceof HoldfastError) || left === 0) throw error;
    },
  );
  if (left > 0) await Promise.all(entries.map((entry) => cutSessions(entry, server)));
  return left;
}

async function refuseLast(entry: Host, server: string): Promise<void> {
  const pool = await poolOf(entry);
  if (!isUp(pool, server) || pool.some((row) => row.server !== server && row.status === "UP")) return;
  throw new HoldfastError(`${server} is the only app host that serves, as ${entry.name} sees it`, {
    fix: "bring another app host back first: holdfast status",
  });
}

async function sessionsOf(entry: Host, server: string): Promise<number> {
  return (await serversOf(entry))
    .filter((row) => row.server === server && poolBackends.some((backend) => backend === row.backend))
    .reduce((sum, { sessions }) => sum + sessions, 0);
}

/**
 * Lets an app host into the pool at every entry host and waits until each has found it well. Again is harmless.
 * @throws HoldfastError when an entry host does not; it is out of the pool then by its checks; HostUnreachable
 */
export async function admitHost(
  entries: readonly Host[],
  server: string,
  { interval, fall }: Pick<ServiceTopology["app"]["health"], "interval" | "fall">,
): Promise<void> {
  await Promise.all(entries.map((entry) => setPoolState(entry, server, "ready")));
  // HAProxy takes a host that was out for well until its checks say otherwise: so long that takes, and a second.
  const settledS = Math.ceil((interval * fall) / 1000) + 1;
  const settled = async (entry: Host): Promise<boolean> =>
    (await poolOf(entry)).some(
      (row) => row.server === server && row.status === "UP" && row.since >= settledS,
    );
  await Promise.all(
    entries.map((entry) =>
      poll(() => settled(entry), {
        deadlineMs: UP_MS,
        intervalMs: 200,
        what: `${entry.name} to find ${server} well`,
      }),
    ),
  );
}
