/** What a survivor needs of etcd: one linearizable read, one compare-and-set, one revocation. */
import { z } from "zod";
import type { EtcdView, GateRecord } from "../../core/decide/lease/types.ts";
import {
  base64,
  EtcdClient,
  type EtcdEndpoints,
  etcdHeader as header,
  etcdText as text,
  int64,
} from "../../lib/etcd.ts";

export interface EtcdSettings extends EtcdEndpoints {
  /** Patroni's key of the leader. */
  readonly leaderKey: string;
  /** Gate records are below it, one per host; ends in a slash. */
  readonly recordPrefix: string;
}

const keyValue = z.object({ key: text, value: text.default(""), mod_revision: int64, lease: int64 });
const rangeAnswer = z.object({ kvs: z.array(keyValue).default([]) });
const readAnswer = z.object({
  responses: z.array(z.object({ response_range: rangeAnswer })).length(3),
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
  readonly #client: EtcdClient;

  private constructor(settings: EtcdSettings, client: EtcdClient) {
    this.#settings = settings;
    this.#client = client;
  }

  /** @throws HoldfastError when a TLS file cannot be read */
  static async open(settings: EtcdSettings): Promise<Etcd> {
    return new Etcd(settings, await EtcdClient.open(settings));
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  /** Leader key, failover key and gate records in one linearizable read. @throws HoldfastError when no quorum answers */
  async read(): Promise<EtcdView> {
    const { leaderKey, recordPrefix } = this.#settings;
    const answer = await this.#client.ask("kv/txn", readAnswer, {
      success: [
        range(leaderKey),
        range(failoverKey(leaderKey)),
        range(recordPrefix, prefixEnd(recordPrefix)),
      ],
    });
    const [leaders, failovers, records] = answer.responses.map(({ response_range }) => response_range.kvs);
    return {
      leader: await this.#leader(leaders?.[0]),
      switchover: parseSwitchover(failovers?.[0]?.value),
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
    const { TTL } = await this.#client.ask("lease/timetolive", ttlAnswer, { ID: kv.lease });
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
    const answer = await this.#client.ask("kv/txn", writeAnswer, {
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
    await this.#client.ask("lease/revoke", z.unknown(), { ID: lease });
  }
}

function parseRecord(value: string): GateRecord | null {
  try {
    return recordSchema.parse(JSON.parse(value));
  } catch {
    return null; // nobody's that can be read: like none, until somebody overwrites it by its revision
  }
}

/** Patroni's keys are siblings. */
const failoverKey = (leaderKey: string): string =>
  `${leaderKey.slice(0, leaderKey.lastIndexOf("/"))}/failover`;

/** When one for a later time begins, only Patroni knows. */
const failoverSchema = z.object({ leader: z.string(), scheduled_at: z.never().optional() });

/** Patroni leaves `{}` when it is over. */
function parseSwitchover(value: string | undefined): string | null {
  if (value === undefined) return null;
  try {
    return failoverSchema.parse(JSON.parse(value)).leader;
  } catch {
    return null;
  }
}

/** The first key after all with this prefix. */
const prefixEnd = (prefix: string): string =>
  prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
