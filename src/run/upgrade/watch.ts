import { setTimeout as sleep } from "node:timers/promises";
import { type GateLimits, judgeTraffic, type Traffic, trafficBetween } from "../../core/upgrade/gate.ts";
import type { ServerTraffic } from "../../engines/haproxy.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Host } from "../../ports.ts";
import { isUp, poolOf, trafficOf } from "../drain.ts";

const EVERY_MS = 1000;

/**
 * Watches an app host under live traffic for `ms`, as all entry hosts see it.
 * @returns what was seen, for people
 * @throws HoldfastError when it leaves the pool, fails too often or answers too slowly
 */
export async function watchHost(
  entries: readonly Host[],
  server: string,
  { ms, limits }: { readonly ms: number; readonly limits: GateLimits },
): Promise<string> {
  const before = await Promise.all(entries.map(trafficOf));
  const end = performance.now() + ms;
  for (;;) {
    await Promise.all(entries.map((entry) => mustBeUp(entry, server)));
    const left = end - performance.now();
    if (left <= 0) break;
    await sleep(Math.min(EVERY_MS, left));
  }
  const after = await Promise.all(entries.map(trafficOf));
  const grownOf = (which: (row: ServerTraffic) => boolean): Traffic =>
    trafficBetween(
      before.flatMap((rows, index) =>
        rows.filter(which).flatMap((row) => {
          const now = after[index]?.find(({ server: name }) => name === row.server);
          return now === undefined ? [] : [{ before: row, after: now }];
        }),
      ),
    );
  const own = grownOf((row) => row.server === server);
  const why = judgeTraffic(
    own,
    grownOf((row) => row.server !== server),
    limits,
  );
  if (why !== null) throw new HoldfastError(`${server} under live traffic: ${why}`);
  return own.requests === 0
    ? "no request came: its errors and response time are unproven"
    : `${own.requests} requests, ${own.failures} failed, ${own.responseMs} ms`;
}

async function mustBeUp(entry: Host, server: string): Promise<void> {
  const pool = await poolOf(entry);
  if (isUp(pool, server)) return;
  const row = pool.find(({ server: name }) => name === server);
  throw new HoldfastError(
    `${entry.name} has ${server} ${row?.status ?? "no more"} (${row?.check ?? "unknown"})`,
  );
}

/** Mean response time of the pool now, ms: of the entry host with the most traffic; null when there was none. */
export async function responseMsOf(entries: readonly Host[]): Promise<number | null> {
  const rows = (await Promise.all(entries.map(trafficOf))).flat().filter(({ requests }) => requests > 0);
  const busiest = rows.toSorted((a, b) => b.requests - a.requests)[0];
  return busiest?.responseMs ?? null;
}
