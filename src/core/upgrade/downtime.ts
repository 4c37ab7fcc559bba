/** How long a service was away, from probes of it. Pure. */

export interface Probe {
  /** When the answer came (or was given up), ms on any clock. */
  readonly at: number;
  readonly served: boolean;
}

/**
 * Milliseconds without service: each gap runs from the last good answer before it to the first good one
 * after it, so that it is never told too short. A gap without an end runs to the last probe.
 */
export function downtimeMs(probes: readonly Probe[]): number {
  let sum = 0;
  let good: number | undefined;
  let away = false;
  for (const { at, served } of probes) {
    good ??= at;
    if (served && away) sum += at - good;
    if (served) good = at;
    away = !served;
  }
  const last = probes.at(-1);
  return away && last !== undefined && good !== undefined ? sum + last.at - good : sum;
}
