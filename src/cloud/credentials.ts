import type { Reporter } from "../ports.ts";
import type { Imds } from "./imds.ts";
import { assumeRoleWithWebIdentity } from "./web-identity.ts";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  /** Milliseconds since 1970; absent: they do not expire. */
  readonly expiresAt?: number;
}

/** IMDS has the next ones at least 5 minutes before the end; asked from then on, they are never asked in need. */
const refreshAheadMs = 5 * 60_000;
/** After a refresh that failed, and for credentials that live shorter than the time ahead. */
const retryMs = 10_000;

type Environment = Readonly<Record<string, string | undefined>>;

/** Where this process's credentials come from: keys in the environment, a web identity, the instance's role. */
export function credentialSource(
  environment: Environment,
  region: string,
  imds: Imds,
): () => Promise<Credentials> {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = environment;
  if (id && secret) {
    const keys = { accessKeyId: id, secretAccessKey: secret, ...(token ? { sessionToken: token } : {}) };
    return async () => Promise.resolve(keys);
  }
  const { AWS_ROLE_ARN: roleArn, AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile } = environment;
  if (roleArn && tokenFile) {
    return async () =>
      assumeRoleWithWebIdentity({
        roleArn,
        tokenFile,
        sessionName: environment["AWS_ROLE_SESSION_NAME"] ?? "holdfast",
        endpoint: environment["AWS_ENDPOINT_URL_STS"] ?? `https://sts.${region}.amazonaws.com`,
      });
  }
  return async () => imds.credentials();
}

/**
 * Credentials that are there when they are needed: refreshed ahead of their end in the background, and
 * at once when AWS has refused them. One refresh at a time, whoever asks.
 */
export class WarmCredentials {
  readonly #source: () => Promise<Credentials>;
  readonly #reporter: Reporter;
  #current: Credentials | null = null;
  #refreshing: Promise<Credentials> | null = null;
  #lastTry = -Infinity;
  #lastError = "";
  constructor(source: () => Promise<Credentials>, reporter: Reporter) {
    this.#source = source;
    this.#reporter = reporter;
  }

  /** Those of this moment; waits only when there are none that live. @throws HoldfastError */
  async get(): Promise<Credentials> {
    const current = this.#current;
    const left = current === null ? 0 : (current.expiresAt ?? Infinity) - Date.now();
    if (current === null || left <= 0) return this.#refresh();
    if (left < refreshAheadMs && performance.now() - this.#lastTry > retryMs) {
      this.#refresh().catch((error: unknown) => this.#tell(error as Error));
    }
    return current;
  }

  /** AWS refused these: the next call gets new ones (they may have been rotated or revoked). */
  invalidate(refused: Credentials): void {
    if (this.#current === refused) this.#current = null;
  }

  async #refresh(): Promise<Credentials> {
    this.#lastTry = performance.now();
    this.#refreshing ??= this.#source().finally(() => {
      this.#refreshing = null;
    });
    this.#current = await this.#refreshing;
    this.#lastError = "";
    return this.#current;
  }

  #tell(error: Error): void {
    if (error.message !== this.#lastError) this.#reporter.warn(`credentials: ${error.message}`);
    this.#lastError = error.message;
  }
}
