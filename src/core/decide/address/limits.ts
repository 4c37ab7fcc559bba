import type { Bucket, ControllerSettings, FailureReason, Limit } from "./types.ts";

export const full = (limit: Limit, now: number): Bucket => ({ tokens: limit.capacity, at: now });

/** The bucket as it stands at `now`, after `used` more tokens were taken out. */
export function draw(limit: Limit, bucket: Bucket, now: number, used: number): Bucket {
  const refilled = Math.min(limit.capacity, bucket.tokens + (now - bucket.at) / limit.refillMs);
  return { tokens: refilled - used, at: now };
}

/** When the bucket holds `tokens`: at once (`now`) or later. */
export function availableAt(limit: Limit, bucket: Bucket, now: number, tokens: number): number {
  const missing = tokens - draw(limit, bucket, now, 0).tokens;
  return missing <= 0 ? now : now + Math.ceil(missing * limit.refillMs);
}

/** Milliseconds to wait after the nth failure in a row (from 1): exponential, with jitter of a half. */
export function backoffMs(
  settings: Pick<ControllerSettings, "backoff">,
  failures: number,
  reason: FailureReason,
  random: number,
): number {
  const { firstMs, maxMs, deniedMs } = settings.backoff;
  const base = reason === "denied" ? deniedMs : Math.min(maxMs, firstMs * 2 ** (failures - 1));
  return base * (0.5 + random / 2);
}
