import { setTimeout as sleep } from "node:timers/promises";
import {
  type Counts,
  type GateLimits,
  judgeTraffic,
  type Traffic,
  trafficBetween,
} from "../../core/upgrade/gate.ts";
import type { ServerTraffic } from "../../engines/haproxy.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Host } from "../../ports.ts";
import { isUp, poolOf, trafficOf } from "../drain.ts";

const EVERY_MS = 1000;

export interface WatchOptions {
  /** Of one look, ms. */
  readonly ms: number;
  readonly limits: GateLimits;
  /** Asks the host itself, once a second: with sticky clients few may have come back to it yet. */
  readonly ask: () => Promise<Counts>;
}

/**
 * Watches an app host under live traffic, as all entry hosts see it. What fails at the first look is looked at
 * once more: a host that has just started, on a busy machine, is slow for some seconds; a bad release stays bad.
 * @returns what was seen, for people
 * @throws HoldfastError when it leaves the pool, fails too often or answers too slowly, at both looks
 */
export async function watchHost(
  entries: readonly Host[],
  server: string,
  options: WatchOptions,
): Promise<string> {
  const first = await look(entries, server, options);
  if (first.why === null) return first.seen;
  const second = await look(entries, server, options);
  if (second.why === null) return `${second.seen}; before that ${first.why}`;
  throw new HoldfastError(`${server} under live traffic: ${second.why}`);
}

async function look(entries: readonly Host[], server: string, { ms, limits, ask }: WatchOptions) {
  const before = await Promise.all(entries.map(trafficOf));
  const end = performance.now() + ms;
  let asked: Counts = { requests: 0, failures: 0 };
  let out: string | null = null;
  for (;;) {
    const [{ requests, failures }, ...states] = await Promise.all([
      ask(),
      ...entries.map((entry) => outOf(entry, server)),
    ]);
    asked = { requests: asked.requests + requests, failures: asked.failures + failures };
    out ??= states.find((state) => state !== null) ?? null;
    const left = end - performance.now();
    if (left <= 0) break;
    await sleep(Math.min(EVERY_MS, left));
  }
  const after = await Promise.all(entries.map(trafficOf));
  const own = grown(before, after, (row) => row.server === server);
  const others = grown(before, after, (row) => row.server !== server);
  return {
    why: out ?? judgeTraffic(own, others, limits, asked),
    seen: `${own.requests} requests, ${own.failures} failed${own.requests === 0 ? "" : `, ${own.responseMs} ms`}; asked ${asked.requests} times, ${asked.failures} failed`,
  };
}

/** What came in between for some of the servers; entry hosts stand in the same order in both. */
const grown = (
  before: readonly (readonly ServerTraffic[])[],
  after: readonly (readonly ServerTraffic[])[],
  which: (row: ServerTraffic) => boolean,
): Traffic =>
  trafficBetween(
    before.flatMap((rows, index) =>
      rows.filter(which).flatMap((row) => {
        const now = after[index]?.find(({ server }) => server === row.server);
        return now === undefined ? [] : [{ before: row, after: now }];
      }),
    ),
  );

/** Null, or how an entry host has it out of the pool. */
async function outOf(entry: Host, server: string): Promise<string | null> {
  const pool = await poolOf(entry);
  if (isUp(pool, server)) return null;
  const row = pool.find(({ server: name }) => name === server);
  return `${entry.name} has it ${row?.status ?? "no more"} (${row?.check ?? "unknown"})`;
}

/** Mean response time of the pool now, ms: of the entry host with the most traffic; null when there was none. */
export async function responseMsOf(entries: readonly Host[]): Promise<number | null> {
  const rows = (await Promise.all(entries.map(trafficOf))).flat().filter(({ requests }) => requests > 0);
  const busiest = rows.toSorted((a, b) => b.requests - a.requests)[0];
  return busiest?.responseMs ?? null;
}
