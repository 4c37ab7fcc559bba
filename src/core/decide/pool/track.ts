import type { Observation, PoolSettings, Tracking } from "./types.ts";

/** No window has begun. */
export const untracked = (desired: number): Tracking => ({ desired, high: null, low: null });

/**
 * Target tracking: the count that the load asks for, once it has asked for long enough. The load is the whole
 * pool's, so it does not change because hosts join: what is on its way cannot make it ask for more.
 * @returns `desired`: the count to have from now on
 */
export function track(
  settings: PoolSettings,
  before: Tracking,
  observed: Observation,
  now: number,
): { readonly tracking: Tracking; readonly desired: number } {
  const desired = clamp(settings, observed.desired);
  const { target, tolerance, outMs, inMs } = settings;
  if (target === null) return { tracking: untracked(desired), desired };
  const { total, complete } = loadOf(observed);
  const last = before.desired === desired ? before : untracked(desired);

  const more = total > desired * target * (1 + tolerance) ? clamp(settings, Math.ceil(total / target)) : 0;
  // A host whose load nobody knows may have all of it.
  const fewer = complete ? clamp(settings, Math.ceil(total / (target * (1 - tolerance)))) : desired;
  const high =
    more <= desired
      ? null
      : { since: last.high?.since ?? now, least: Math.min(more, last.high?.least ?? more) };
  const low =
    fewer >= desired
      ? null
      : { since: last.low?.since ?? now, most: Math.max(fewer, last.low?.most ?? fewer) };
  if (high !== null && now - high.since >= outMs) {
    return { tracking: untracked(high.least), desired: high.least };
  }
  if (low !== null && now - low.since >= inMs) return { tracking: untracked(low.most), desired: low.most };
  return { tracking: { desired, high, low }, desired };
}

const clamp = ({ min, max }: PoolSettings, count: number): number => Math.min(max, Math.max(min, count));

function loadOf({ members }: Observation): { total: number; complete: boolean } {
  let total = 0;
  let complete = true;
  for (const { role, load } of members) {
    if (role !== "serving") continue;
    if (load === null) complete = false;
    else total += load;
  }
  return { total, complete };
}
