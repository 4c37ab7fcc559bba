/**
 * etcd through its JSON gateway (3.4 and newer: /v3/…), on warm connections with the agent's
 * certificate. What a survivor needs of it: one linearizable read, one compare-and-set, one revocation.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { z } from "zod";
import type { EtcdView, GateRecord } from "../../core/decide/lease/types.ts";
import { HoldfastError } from "../../lib/errors.ts";

export interface EtcdSettings {
  /** `https://address:port` of every member, this host's own first where it has one. */
  readonly endpoints: readonly string[];
  readonly tls: { readonly ca: string; readonly certificate: string; readonly key: string } | null;
  /** Patroni's key of the leader. */
  readonly leaderKey: string;
  /** Gate records are below it, one per host; ends in a slash. */
  readonly recordPrefix: string;
  /** For one request with all its endpoints. */
  readonly requestMs: number;
}

/** An endpoint that has not answered for so long, ms, is not waited for: the next is asked beside it. */
const HEDGE_MS = 150;

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const text = z.string().transform((value) => Buffer.from(value, "base64").toString());
/** Numbers of 64 bits come as strings, and not at all when they are 0. */
const int64 = z
  .string()
  .regex(/^-?\d+$/)
  .default("0");
const keyValue = z.object({ key: text, value: text.default(""), mod_revision: int64, lease: int64 });
const rangeAnswer = z.object({ kvs: z.array(keyValue).default([]) });
const header = z.object({ revision: int64 });
const readAnswer = z.object({
  responses: z.tuple([z.object({ response_range: rangeAnswer }), z.object({ response_range: rangeAnswer })]),
});
const writeAnswer = z.object({ header, succeeded: z.boolean().default(false) });
const ttlAnswer = z.object({ TTL: int64 });
const recordSchema = z.object({
  state: z.enum(["open", "fenced", "unarmed"]),
  lease: z.string().nullable(),
});
type KeyValue = z.output<typeof keyValue>;

const range = (key: string, end?: string): object => ({
  request_range: { key: base64(key), ...(end === undefined ? {} : { range_end: base64(end) }) },
});

export class Etcd {
  readonly #settings: EtcdSettings;
  readonly #pools: readonly Pool[];
  /** Index of the endpoint that answered last. */
  #good = 0;

  private constructor(settings: EtcdSettings, pools: readonly Pool[]) {
    this.#settings = settings;
    this.#pools = pools;
  }

  /** @throws HoldfastError when a TLS file cannot be read */
  static async open(settings: EtcdSettings): Promise<Etcd> {
    return new Etcd(settings, await connectionPools(settings));
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.destroy()));
  }

  /** Leader key and gate records in one linearizable read. @throws HoldfastError when no quorum answers */
  async read(): Promise<EtcdView> {
    const { leaderKey, recordPrefix } = this.#settings;
    const answer = await this.#ask("kv/txn", readAnswer, {
      success: [range(leaderKey), range(recordPrefix, prefixEnd(recordPrefix))],
    });
    const [leaders, records] = answer.responses.map(({ response_range }) => response_range.kvs);
    return {
      leader: await this.#leader(leaders?.[0]),
      records: Object.fromEntries(
        (records ?? []).flatMap((kv) => {
          const record = parseRecord(kv.value);
          return record === null
            ? []
            : [[kv.key.slice(recordPrefix.length), { ...record, revision: kv.mod_revision }]];
        }),
      ),
    };
  }

  async #leader(kv: KeyValue | undefined): Promise<EtcdView["leader"]> {
    // A leader key without a lease is not Patroni's doing; nobody can hand it over.
    if (kv === undefined || kv.lease === "0") return null;
    const { TTL } = await this.#ask("lease/timetolive", ttlAnswer, { ID: kv.lease });
    // Whole seconds, rounded down; -1: it has expired since.
    return { host: kv.value, lease: kv.lease, ttlMs: Math.max(0, Number(TTL)) * 1000 };
  }

  /**
   * Puts a host's record if it still has `revision` ("0": does not exist) and the leader key is still
   * attached to `leaderLease`, where given.
   * @returns the record's new revision; null when a comparison failed
   * @throws HoldfastError when the outcome is unknown
   */
  async writeRecord(write: {
    readonly host: string;
    readonly record: GateRecord;
    readonly revision: string;
    readonly leaderLease: string | null;
  }): Promise<string | null> {
    const { leaderKey, recordPrefix } = this.#settings;
    const key = base64(recordPrefix + write.host);
    const answer = await this.#ask("kv/txn", writeAnswer, {
      compare: [
        { key, target: "MOD", result: "EQUAL", mod_revision: write.revision },
        ...(write.leaderLease === null
          ? []
          : [{ key: base64(leaderKey), target: "LEASE", result: "EQUAL", lease: write.leaderLease }]),
      ],
      success: [{ request_put: { key, value: base64(JSON.stringify(write.record)) } }],
    });
    return answer.succeeded ? answer.header.revision : null;
  }

  /** One that is gone already is a success. @throws HoldfastError when the outcome is unknown */
  async revoke(lease: string): Promise<void> {
    await this.#ask("lease/revoke", z.unknown(), { ID: lease });
  }

  /**
   * Asks the endpoint that answered last, and another beside it for each `HEDGE_MS` without an answer. Of a
   * write that was asked twice the second finds its comparison failed, which its caller clears up by a read.
   */
  async #ask<T>(path: string, schema: z.ZodType<T>, body: object): Promise<T> {
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), this.#settings.requestMs);
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

async function connectionPools({ endpoints, tls, requestMs }: EtcdSettings): Promise<Pool[]> {
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

function parseRecord(value: string): GateRecord | null {
  try {
    return recordSchema.parse(JSON.parse(value));
  } catch {
    return null; // nobody's that can be read: like none, until somebody overwrites it by its revision
  }
}

/** The first key after all with this prefix. */
const prefixEnd = (prefix: string): string =>
  prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
