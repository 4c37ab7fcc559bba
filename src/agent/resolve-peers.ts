import { setTimeout as sleep } from "node:timers/promises";
import type { Ec2 } from "../cloud/ec2.ts";
import type { InstanceIdentity } from "../cloud/imds.ts";
import type { AddressConfig } from "../core/engines/agent/config.ts";
import type { Reporter } from "../ports.ts";

const RETRY_MS = 5000;

/**
 * The private addresses of the other hosts. Of those that are given by their private DNS name (the
 * guides' HA_NODE_1 and HA_NODE_2, this host among them), EC2 knows it; asked until it says so.
 */
export async function resolvePeers(
  peers: AddressConfig["peers"],
  {
    ec2,
    identity,
    reporter,
    signal,
  }: {
    readonly ec2: Ec2;
    readonly identity: InstanceIdentity;
    readonly reporter: Reporter;
    readonly signal: AbortSignal;
  },
): Promise<string[]> {
  const known = peers.flatMap(({ address }) => address ?? []);
  const values = peers.filter(({ address }) => address === undefined).map(({ name }) => name);
  let lastError = "";
  while (values.length > 0 && !signal.aborted) {
    try {
      const found = await ec2.describeInstances({ filter: "private-dns-name", values }, { deadlineMs: 5000 });
      const others = found.filter(({ instanceId }) => instanceId !== identity.instanceId);
      const addresses = others.flatMap(({ privateAddress }) => privateAddress ?? []);
      if (addresses.length > 0) return [...known, ...addresses];
      throw new Error(`EC2 has no other instance with the private DNS name ${values.join(" or ")}`);
    } catch (error) {
      const { message } = error as Error;
      if (message !== lastError) reporter.warn(`the other host: ${message}`);
      lastError = message;
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
  return known;
}
