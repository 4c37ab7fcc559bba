/** etcd through its JSON gateway (3.4 and newer: /v3/…), on warm connections with a client certificate. */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { z } from "zod";
import { HoldfastError } from "./errors.ts";

export interface EtcdEndpoints {
  /** `https://address:port` of every member, this host's own first where it has one. */
  readonly endpoints: readonly string[];
  /** Paths; null: without TLS. */
  readonly tls: { readonly ca: string; readonly certificate: string; readonly key: string } | null;
  /** For one request with all its endpoints, ms. */
  readonly requestMs: number;
}

/** An endpoint that has not answered for so long, ms, is not waited for: the next is asked beside it. */
const HEDGE_MS = 150;

export const base64 = (text: string): string => Buffer.from(text).toString("base64");
/** Bytes, as the gateway tells them. */
export const etcdText = z.string().transform((value) => Buffer.from(value, "base64").toString());
/** Numbers of 64 bits come as strings, and not at all when they are 0. */
export const int64 = z
  .string()
  .regex(/^-?\d+$/)
  .default("0");
export const etcdHeader = z.object({ revision: int64 });

export class EtcdClient {
  readonly #requestMs: number;
  readonly #pools: readonly Pool[];
  /** Index of the endpoint that answered last. */
  #good = 0;

  private constructor({ requestMs }: EtcdEndpoints, pools: readonly Pool[]) {
    this.#requestMs = requestMs;
    this.#pools = pools;
  }

  /** @throws HoldfastError when a TLS file cannot be read */
  static async open(settings: EtcdEndpoints): Promise<EtcdClient> {
    return new EtcdClient(settings, await connectionPools(settings));
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.destroy()));
  }

  /**
   * Asks the endpoint that answered last, and another beside it for each `HEDGE_MS` without an answer. Of a
   * write that was asked twice the second finds its comparison failed, which its caller clears up by a read.
   * @param path below /v3/
   * @throws HoldfastError when no endpoint answers in time: whether a write was done is unknown then
   */
  async ask<T>(path: string, schema: z.ZodType<T>, body: object): Promise<T> {
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), this.#requestMs);
    const first = this.#good;
    const attempts = this.#pools.map(async (_, order) => {
      await sleep(order * HEDGE_MS, undefined, { signal: end.signal });
      const index = (first + order) % this.#pools.length;
      const answer = schema.parse(await post(this.#pools[index], path, body, end.signal));
      this.#good = index;
      return answer;
    });
    try {
      return await Promise.any(attempts);
    } catch (error) {
      const problems = new Set((error as AggregateError).errors.map(({ message }: Error) => message));
      throw new HoldfastError(`etcd does not answer: ${[...problems].join("; ")}`);
    } finally {
      clearTimeout(timer);
      end.abort();
    }
  }
}

/** Code of gRPC: what was asked for does not exist. */
const NOT_FOUND = 5;

async function post(
  pool: Pool | undefined,
  path: string,
  body: object,
  signal: AbortSignal,
): Promise<unknown> {
  if (pool === undefined) throw new Error("no endpoint");
  const { statusCode, body: answer } = await pool.request({
    method: "POST",
    path: `/v3/${path}`,
    body: JSON.stringify(body),
    signal,
  });
  const json = (await answer.json()) as { readonly code?: number; readonly error?: string };
  if (statusCode === 200 || json.code === NOT_FOUND) return json;
  throw new HoldfastError(`status ${statusCode}: ${json.error ?? ""}`);
}

/** A file that `holdfast up` writes. @throws HoldfastError */
export const readOwn = (path: string): Promise<string> =>
  readFile(path, "utf8").catch((error: Error) => {
    throw new HoldfastError(`cannot read ${path}: ${error.message}`, { fix: "run `holdfast up`" });
  });

async function connectionPools({ endpoints, tls, requestMs }: EtcdEndpoints): Promise<Pool[]> {
  const secure =
    tls === null
      ? {}
      : {
          ca: await readOwn(tls.ca),
          cert: await readOwn(tls.certificate),
          key: await readOwn(tls.key),
        };
  return endpoints.map(
    (endpoint) =>
      new Pool(endpoint, {
        connections: 2,
        connect: { ...secure, timeout: requestMs },
        // Kept from one read to the next: a handshake costs more than everything else.
        keepAliveTimeout: 60_000,
        headersTimeout: 0,
        bodyTimeout: 0,
      }),
  );
}
