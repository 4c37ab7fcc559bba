/** What the witness lease needs of etcd. */
import { z } from "zod";
import { base64, EtcdClient, type EtcdEndpoints, etcdText, int64 } from "../lib/etcd.ts";

export interface WitnessHolder {
  readonly host: string;
  readonly leaseId: string;
}

/** Each throws HoldfastError when the witness does not answer: whether a write was done is unknown then. */
export interface WitnessStore {
  /** Null: nobody holds it. */
  holder(): Promise<WitnessHolder | null>;
  /** @returns null when somebody else was faster */
  take(): Promise<WitnessHolder | null>;
  /** @returns false when the lease is no more */
  renew(leaseId: string): Promise<boolean>;
  giveBack(leaseId: string): Promise<void>;
  close(): Promise<void>;
}

export interface WitnessSettings extends EtcdEndpoints {
  readonly self: string;
  readonly key: string;
  /** Whole seconds: etcd counts in them. */
  readonly ttlSeconds: number;
}

const keyValue = z.object({ value: etcdText.default(""), lease: int64 });
const rangeAnswer = z.object({ kvs: z.array(keyValue).default([]) });
const grantAnswer = z.object({ ID: int64 });
const txnAnswer = z.object({ succeeded: z.boolean().default(false) });
/** The gateway wraps the answers of a stream. */
const renewAnswer = z.object({ result: z.object({ TTL: int64 }) });

/** @throws HoldfastError when a TLS file cannot be read */
export async function openWitnessStore(settings: WitnessSettings): Promise<WitnessStore> {
  const { self, ttlSeconds } = settings;
  const client = await EtcdClient.open(settings);
  const key = base64(settings.key);
  const giveBack = async (leaseId: string): Promise<void> =>
    void (await client.ask("lease/revoke", z.unknown(), { ID: leaseId }));
  return {
    async holder() {
      const [found] = (await client.ask("kv/range", rangeAnswer, { key })).kvs;
      return found === undefined ? null : { host: found.value, leaseId: found.lease };
    },
    async take() {
      const { ID: leaseId } = await client.ask("lease/grant", grantAnswer, { TTL: String(ttlSeconds) });
      const { succeeded } = await client.ask("kv/txn", txnAnswer, {
        compare: [{ key, target: "CREATE", result: "EQUAL", create_revision: "0" }],
        success: [{ request_put: { key, value: base64(self), lease: leaseId } }],
      });
      if (succeeded) return { host: self, leaseId };
      await giveBack(leaseId);
      return null;
    },
    renew: async (leaseId) =>
      (await client.ask("lease/keepalive", renewAnswer, { ID: leaseId })).result.TTL !== "0",
    giveBack,
    close: () => client.close(),
  };
}
