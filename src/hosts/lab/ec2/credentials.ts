/**
 * Role credentials that the metadata service gives out. They follow from a secret of the endpoint and
 * the time, so that nothing about them has to be remembered, and they outlive its restart.
 */
import { createHmac } from "node:crypto";
import type { Ec2Config, InstanceConfig } from "./config.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secret: string;
  /** Absent for access keys that are in no role. */
  readonly token?: string;
  /** Milliseconds; absent: for ever. */
  readonly issuedAt?: number;
  readonly expiresAt?: number;
  /** What the caller may do, and who it is. */
  readonly actions: readonly string[];
  readonly arn: string;
}

/** The newest credentials of the instance's role; undefined when it has no role. */
export function roleCredentials(
  config: Ec2Config,
  seed: string,
  instance: InstanceConfig,
  now: number,
): Credentials | undefined {
  return ofPeriod(config, seed, instance, Math.floor(now / periodOf(config)));
}

/**
 * The credentials behind an access key id, also expired ones (the caller looks at `expiresAt`), as
 * long as AWS would still know them as such; undefined when there never were any.
 */
export function findCredentials(
  config: Ec2Config,
  seed: string,
  accessKeyId: string,
  now: number,
): Credentials | undefined {
  const key = config.accessKeys.find(({ id }) => id === accessKeyId);
  if (key !== undefined) {
    const arn = `arn:aws:iam::${config.accountId}:user/${key.id}`;
    return { accessKeyId, secret: key.secret, actions: key.actions, arn };
  }
  const current = Math.floor(now / periodOf(config));
  const lifetimePeriods = Math.ceil(config.credentials.lifetimeMs / periodOf(config));
  // One more: those that have just expired are told apart from those that never were.
  for (let period = current; period >= current - lifetimePeriods - 1; period -= 1) {
    for (const instance of config.instances) {
      const candidate = ofPeriod(config, seed, instance, period);
      if (candidate?.accessKeyId === accessKeyId) return candidate;
    }
  }
  return undefined;
}

/** How often new ones are made. */
function periodOf({ credentials }: Ec2Config): number {
  return credentials.lifetimeMs - credentials.renewBeforeMs;
}

function ofPeriod(
  config: Ec2Config,
  seed: string,
  instance: InstanceConfig,
  period: number,
): Credentials | undefined {
  const role = config.roles.find(({ name }) => name === instance.role);
  if (role === undefined) return undefined;
  const derive = (what: string): Buffer =>
    createHmac("sha512", seed).update(`${what}/${instance.id}/${role.name}/${period}`).digest();
  const issuedAt = period * periodOf(config);
  return {
    accessKeyId: `ASIA${base32(derive("key")).slice(0, 16)}`,
    secret: derive("secret").toString("base64").slice(0, 40),
    token: derive("token").toString("base64"),
    issuedAt,
    expiresAt: issuedAt + config.credentials.lifetimeMs,
    actions: role.actions,
    arn: `arn:aws:sts::${config.accountId}:assumed-role/${role.name}/${instance.id}`,
  };
}

const base32 = (bytes: Buffer): string =>
  [...bytes].map((byte) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[byte % 32]).join("");
