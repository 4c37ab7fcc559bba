/** How the endpoint misbehaves, changed while it runs (see control.ts). Pure: what a call meets. */
import { z } from "zod";

const milliseconds = z.number().min(0).max(600_000);

/** An error that calls get instead of, or after, their effect. */
const faultSchema = z.strictObject({
  /** Names of actions; empty: every action. */
  actions: z.array(z.string()).default([]),
  /** Calls of these instances only; empty: everybody's. */
  instances: z.array(z.string()).default([]),
  /** An AWS error code such as `InternalError`, or `connection-reset`: the connection is cut without an answer. */
  code: z.string().default("InternalError"),
  /** `after`: the call did what it should, and its caller is told that it failed. */
  when: z.enum(["before", "after"]).default("before"),
  /** 0 to 1: how many of the calls. */
  probability: z.number().min(0).max(1).default(1),
});

export const behaviourSchema = z.strictObject({
  /** How long a call takes, by action; `*` for all others. The effect happens half way. */
  latencyMs: z.record(z.string(), milliseconds).default({}),
  /** From the effect of a call until packets follow it. */
  propagationMs: milliseconds.default(0),
  /** DescribeAddresses answers as things stood this long ago. */
  staleMs: milliseconds.default(0),
  /** Token bucket over all calls of the account; null: none. */
  throttle: z
    .strictObject({ perSecond: z.number().min(0), burst: z.number().min(1) })
    .nullable()
    .default(null),
  faults: z.array(faultSchema).default([]),
  /** Instances whose packets to the API are lost (the metadata service stays, as on AWS). */
  cut: z.array(z.string()).default([]),
  /** Instances whose packets to the metadata service are lost. */
  metadataCut: z.array(z.string()).default([]),
  /** What EC2 believes of an instance, which a dead host does not change; default `running`. */
  instanceStates: z
    .record(z.string(), z.enum(["pending", "running", "stopping", "stopped", "shutting-down", "terminated"]))
    .default({}),
  /** Instances whose status checks fail. */
  impaired: z.array(z.string()).default([]),
});
export type Behaviour = z.infer<typeof behaviourSchema>;
export type Fault = z.infer<typeof faultSchema>;

/** Milliseconds that a call of this action takes. */
export function latencyOf(behaviour: Behaviour, action: string): number {
  return behaviour.latencyMs[action] ?? behaviour.latencyMs["*"] ?? 0;
}

/** @param random a number in [0, 1) for each fault that may strike */
export function faultOf(
  behaviour: Behaviour,
  call: { readonly action: string; readonly instance: string | undefined },
  random: () => number,
): Fault | undefined {
  return behaviour.faults.find(
    ({ actions, instances, probability }) =>
      (actions.length === 0 || actions.includes(call.action)) &&
      (instances.length === 0 || (call.instance !== undefined && instances.includes(call.instance))) &&
      random() < probability,
  );
}

export interface Bucket {
  readonly tokens: number;
  /** Milliseconds. */
  readonly at: number;
}

/** Takes a token: the bucket afterwards, and whether there was one. */
export function takeToken(
  bucket: Bucket | undefined,
  throttle: Behaviour["throttle"],
  now: number,
): { bucket: Bucket | undefined; taken: boolean } {
  if (throttle === null) return { bucket: undefined, taken: true };
  const before = bucket ?? { tokens: throttle.burst, at: now };
  const filled = before.tokens + (Math.max(0, now - before.at) / 1000) * throttle.perSecond;
  const tokens = Math.min(throttle.burst, filled);
  return tokens >= 1
    ? { bucket: { tokens: tokens - 1, at: now }, taken: true }
    : { bucket: { tokens, at: now }, taken: false };
}
