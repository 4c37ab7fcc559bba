import { setTimeout as sleep } from "node:timers/promises";
import { WarmCredentials, credentialSource } from "../cloud/credentials.ts";
import { Ec2 } from "../cloud/ec2.ts";
import { Imds, type InstanceIdentity } from "../cloud/imds.ts";
import type { AddressConfig, WitnessConfig } from "../core/engines/agent/config.ts";
import { tryLock, type Lock } from "../lib/lock.ts";
import type { Reporter } from "../ports.ts";
import { AddressLoop } from "./address.ts";
import { Witness } from "./witness.ts";
import { openWitnessStore, type WitnessStore } from "./witness-store.ts";

const RETRY_MS = 1000;
/** For the witness with all its members, ms. */
const WITNESS_MS = 900;
/** Two controllers on one host would undo each other's work. */
const LOCK = "address-controller";

export interface AddressRun {
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
  /** Credentials and endpoint overrides; default: this process's own. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Give up when another controller of this host does not end within so many milliseconds; default: wait. */
  readonly lockMs?: number;
  /** Ends the run when everything has been where it should be, and the role the same, for so long. */
  readonly settledMs?: number;
}

/**
 * The address loop of this host with all that it needs, until `signal` aborts: waits for the metadata
 * service, which at boot may come later, and for a controller that still runs.
 * @returns false when another controller went on running for `lockMs`
 */
export async function runAddress(config: AddressConfig, run: AddressRun): Promise<boolean> {
  const { signal, reporter } = run;
  const environment = run.environment ?? process.env;
  const lock = await takeLock(run);
  if (lock === null) return signal.aborted;
  const imds = new Imds(environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"]);
  const endpoint = config.endpoint ?? environment["AWS_ENDPOINT_URL_EC2"] ?? environment["AWS_ENDPOINT_URL"];
  const credentials = new WarmCredentials(credentialSource(environment, config.region, imds), reporter);
  const ec2 = new Ec2({ region: config.region, endpoint, credentials });
  let store: WitnessStore | null = null;
  try {
    const identity = await identityOf(imds, run);
    store = config.witness === undefined ? null : await openStore(config.witness);
    const witness = store === null || !config.witness ? {} : witnessOf(config.witness, store, reporter);
    if (identity !== null)
      await new AddressLoop(config, { ec2, identity, reporter, signal, ...witness }).run(run.settledMs);
    return true;
  } finally {
    await Promise.all([ec2.close(), imds.close(), store?.close(), lock.release()]);
  }
}

const openStore = (config: WitnessConfig): Promise<WitnessStore> =>
  openWitnessStore({ ...config, key: config.leaseKey, tls: config, requestMs: WITNESS_MS });

const witnessOf = ({ self, ttlSeconds }: WitnessConfig, store: WitnessStore, reporter: Reporter) => ({
  witness: (onChange: () => void) =>
    new Witness({
      self,
      ttlMs: ttlSeconds * 1000,
      store,
      onChange,
      reporter,
      now: () => performance.now(),
    }),
});

async function takeLock({ signal, reporter, lockMs }: AddressRun): Promise<Lock | null> {
  const start = performance.now();
  for (let told = false; !signal.aborted;) {
    const lock = await tryLock(LOCK);
    if (lock !== undefined) return lock;
    if (lockMs !== undefined && performance.now() - start > lockMs) return null;
    if (!told) reporter.info("another address controller runs on this host: waiting for its end");
    told = true;
    await sleep(RETRY_MS / 5, undefined, { signal }).catch(() => undefined);
  }
  return null;
}

async function identityOf(imds: Imds, { signal, reporter }: AddressRun): Promise<InstanceIdentity | null> {
  let lastError = "";
  while (!signal.aborted) {
    try {
      return await imds.identity();
    } catch (error) {
      const { message } = error as Error;
      if (message !== lastError) reporter.warn(message);
      lastError = message;
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  return null;
}
