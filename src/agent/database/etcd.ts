/**
 * etcd through its JSON gateway (3.4 and newer: /v3/…), on warm connections with the agent's
 * certificate. What a survivor needs of it: one linearizable read, one compare-and-set, one revocation.
 */
import { readFile } from "node:fs/promises";
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
    const range = (key: string, end?: string): object => ({
      request_range: { key: base64(key), ...(end === undefined ? {} : { range_end: base64(end) }) },
    });
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
   * Asks one endpoint, and the next beside it whenever an answer is slow or an error: with a write asked
   * twice, the second finds its comparison failed, which its caller looks into by reading.
   */
  async #ask<T>(path: string, schema: z.ZodType<T>, body: object): Promise<T> {
    const pools = this.#pools;
    const end = new AbortController();
    const timer = setTimeout(() => end.abort(), this.#settings.requestMs);
    const problems: string[] = [];
    const hedge = path === "kv/txn" && "compare" in body ? this.#settings.requestMs / 2 : HEDGE_MS;
    try {
      return await new Promise<T>((resolve, reject) => {
        let asked = 0;
        let answered = 0;
        const askNext = (): void => {
          if (asked === pools.length || end.signal.aborted) return;
          const index = (this.#good + asked++) % pools.length;
          const pool = pools[index];
          if (pool === undefined) return;
          const later = setTimeout(askNext, hedge);
          end.signal.addEventListener("abort", () => clearTimeout(later));
          post(pool, path, body, end.signal).then(
            (answer) => {
              this.#good = index;
              const parsed = schema.safeParse(answer);
              if (parsed.success) resolve(parsed.data);
              else reject(new HoldfastError(`etcd ${path}: unexpected answer: ${parsed.error.message}`));
            },
            (error: Error) => {
              problems.push(`${this.#settings.endpoints[index]}: ${error.message}`);
              clearTimeout(later);
              if (++answered === pools.length) reject(noAnswer(path, problems));
              else askNext();
            },
          );
        };
        end.signal.addEventListener("abort", () => reject(noAnswer(path, problems)));
        askNext();
      });
    } finally {
      clearTimeout(timer);
      end.abort();
    }
  }
}

const noAnswer = (path: string, problems: readonly string[]): HoldfastError =>
  new HoldfastError(`etcd ${path}: no answer in time${problems.map((problem) => `; ${problem}`).join("")}`);

/** Code of gRPC: what was asked for does not exist. */
const NOT_FOUND = 5;

async function post(pool: Pool, path: string, body: object, signal: AbortSignal): Promise<unknown> {
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

async function connectionPools({ endpoints, tls, requestMs }: EtcdSettings): Promise<Pool[]> {
  const read = (path: string): Promise<string> =>
    readFile(path, "utf8").catch((error: Error) => {
      throw new HoldfastError(`cannot read ${path}: ${error.message}`, { fix: "run `holdfast up`" });
    });
  const secure =
    tls === null
      ? {}
      : { ca: await read(tls.ca), cert: await read(tls.certificate), key: await read(tls.key) };
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
