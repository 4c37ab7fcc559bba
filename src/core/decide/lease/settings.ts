import type { LeaseSettings } from "./types.ts";

/**
 * Who votes on the database tier's hosts: the data hosts, and coordination hosts beside them as witnesses.
 * Null when the accelerator cannot help: one data host has nobody to hand over to, and without a third
 * voter there is no majority that outlives a host.
 */
export function leaseMembers(
  dataHosts: readonly string[],
  coordinationHosts: readonly string[],
): readonly string[] | null {
  if (dataHosts.length < 2) return null;
  const members = [...new Set(dataHosts)];
  // An even number of voters tolerates no more losses than one less: one witness makes it odd.
  const witness = coordinationHosts.find((host) => !members.includes(host));
  if (members.length % 2 === 0 && witness !== undefined) members.push(witness);
  return members.length >= 3 ? members : null;
}

/** 600/1000 ms flapped at a load of 39 on two cores; 800/1200 ms did not. */
export function leaseSettings(
  self: string,
  dataHosts: readonly string[],
  members: readonly string[],
): LeaseSettings {
  return {
    self,
    members,
    dataHosts,
    heartbeatMs: 80,
    leaseMs: 800,
    grantMs: 1200,
    promiseMs: 3000,
    readMs: 1000,
    requestMs: 1000,
    ttlMs: 20_000,
    // etcd's leader may be cut off for an election timeout (1 s) and still answer.
    marginMs: 3000,
    // Patroni's slowest loop seen was 17.1 s of its ttl.
    failsafeMs: 2500,
    hungAfter: 3,
    // Longer than agents that were all restarted at once need: their promises, and a read and a write.
    stuckMs: 5000,
    // Longer than Patroni's ttl: by then plain Patroni has decided whatever it had to.
    releaseMs: 30_000,
    leaveMs: 10_000,
  };
}
