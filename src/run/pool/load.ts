/** How many requests each app host gets, from the counters of the entry hosts' HAProxy. */
import type { ServerTraffic } from "../../engines/haproxy.ts";
import { HostUnreachable } from "../../lib/errors.ts";
import type { Host } from "../../ports.ts";
import { trafficOf } from "../drain.ts";

/** Counters of a second say more about chance than about load. */
const WINDOW_MS = 5000;

interface Count {
  readonly at: number;
  readonly traffic: readonly ServerTraffic[];
}

export class RequestRates {
  #counts: Count[] = [];
  readonly #traffic: (entry: Host) => Promise<readonly ServerTraffic[]>;

  /** @param traffic what one entry host's HAProxy has counted; replaced in tests */
  constructor(traffic: (entry: Host) => Promise<readonly ServerTraffic[]> = trafficOf) {
    this.#traffic = traffic;
  }

  /**
   * Requests per second by server, over the last seconds.
   * @param now milliseconds of a clock that never goes back
   * @returns null when it is not known: too early, an entry host that does not answer, counters that began anew
   */
  async measure(entries: readonly Host[], now: number): Promise<ReadonlyMap<string, number> | null> {
    const answers = await Promise.all(entries.map((entry) => this.#traffic(entry).catch(nullIfUnreachable)));
    if (answers.includes(null)) {
      this.#counts = [];
      return null;
    }
    const traffic = answers.flatMap((rows) => rows ?? []);
    const [first] = this.#counts;
    const counts = [...this.#counts, { at: now, traffic }];
    const recent = counts.findIndex(({ at }) => now - at < WINDOW_MS);
    // One that is older than the window stays, to measure from.
    this.#counts = counts.slice(Math.max(0, recent - 1));
    if (first === undefined) return null;
    const rates = ratesBetween(this.#counts[0] ?? first, { at: now, traffic });
    if (rates === null) this.#counts = [{ at: now, traffic }];
    return rates;
  }
}

function ratesBetween(from: Count, to: Count): Map<string, number> | null {
  const before = totals(from.traffic);
  const rates = new Map<string, number>();
  for (const [server, count] of totals(to.traffic)) {
    const grown = count - (before.get(server) ?? 0);
    if (grown < 0 || to.at <= from.at) return null;
    rates.set(server, (1000 * grown) / (to.at - from.at));
  }
  return rates;
}

function totals(traffic: readonly ServerTraffic[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { server, requests } of traffic) sums.set(server, (sums.get(server) ?? 0) + requests);
  return sums;
}

function nullIfUnreachable(error: unknown): null {
  if (error instanceof HostUnreachable) return null;
  throw error;
}
