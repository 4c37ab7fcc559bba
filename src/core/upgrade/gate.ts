/** Whether a host that has just been upgraded serves as it should, from the entry's own statistics. Pure. */

export interface Traffic {
  readonly requests: number;
  /** 5xx, broken answers, and tries that another host had to answer for. */
  readonly failures: number;
  /** Mean time to the first byte of the latest answers, ms. */
  readonly responseMs: number;
}

export type Counts = Pick<Traffic, "requests" | "failures">;

export interface GateLimits {
  /** Share of requests that may fail, 0 to 1. */
  readonly errorRate: number;
  /** Mean response time, ms. */
  readonly responseMs: number;
}

/** A single failure, or two, may be of anything; an answer that is slow on the first requests is warming up. */
const LEAST_FAILURES = 3;
const LEAST_REQUESTS = 50;

/** Where the topology has no objective: notably slower than the release before is no success either. */
export const limitsOf = (
  objectives: { readonly errorRate?: number | undefined; readonly responseTime?: number | undefined },
  responseMsBefore: number | null,
): GateLimits => ({
  errorRate: objectives.errorRate ?? 0.01,
  responseMs:
    objectives.responseTime ??
    (responseMsBefore === null ? Number.POSITIVE_INFINITY : 3 * responseMsBefore + 100),
});

/** What came in between two looks, added up over the entry hosts; one that started again meanwhile counts from 0. */
export function trafficBetween(
  looks: readonly { readonly before: Traffic; readonly after: Traffic }[],
): Traffic {
  const grown = looks.map(({ before, after }) =>
    after.requests < before.requests
      ? after
      : { ...after, requests: after.requests - before.requests, failures: after.failures - before.failures },
  );
  const busiest = grown.toSorted((a, b) => b.requests - a.requests)[0];
  return {
    requests: grown.reduce((sum, { requests }) => sum + requests, 0),
    failures: grown.reduce((sum, { failures }) => sum + failures, 0),
    // HAProxy gives means only: that of the entry host with the traffic counts.
    responseMs: busiest?.responseMs ?? 0,
  };
}

/**
 * Null, or why the host fails the gate. What fails as often on the `others` at the same time (a database
 * that fails over) is not the release's doing. `asked`: what it was asked besides its clients' requests.
 */
export function judgeTraffic(
  host: Traffic,
  others: Traffic,
  limits: GateLimits,
  asked: Counts = { requests: 0, failures: 0 },
): string | null {
  const all = { requests: host.requests + asked.requests, failures: host.failures + asked.failures };
  const rate = rateOf(all);
  if (all.failures >= LEAST_FAILURES && rate > limits.errorRate && rate > 2 * rateOf(others)) {
    return `${all.failures} of ${triesOf(all)} requests failed (${percent(rate)}; allowed ${percent(limits.errorRate)}, the other hosts ${percent(rateOf(others))})`;
  }
  if (host.requests >= LEAST_REQUESTS && host.responseMs > limits.responseMs) {
    return `it answers in ${host.responseMs} ms (allowed ${Math.round(limits.responseMs)} ms)`;
  }
  return null;
}

/** A try that was sent to another host is a failure without an answer of its own. */
const triesOf = ({ requests, failures }: Counts): number => Math.max(requests, failures);
const rateOf = (traffic: Counts): number =>
  triesOf(traffic) === 0 ? 0 : traffic.failures / triesOf(traffic);
const percent = (rate: number): string => `${(rate * 100).toFixed(rate < 0.1 ? 1 : 0)} %`;
