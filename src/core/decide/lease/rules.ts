/**
 * Every decision that safety hangs on, each small enough to be argued for by itself. The simulator replaces
 * them one at a time by plausible mistakes and must catch each.
 */
import type { EtcdView, LeaseSettings, LeaseState, Peer } from "./types.ts";

export interface Rules {
  /** Votes that decide: of all members, whoever is alive, so that any two majorities share a host. */
  majority(members: number, heard: () => number): number;
  /** From when an acknowledged heartbeat counts. The peer may have answered at once, so: from its sending. */
  leaseStart(sentAt: number, acknowledgedAt: number): number;
  /** How long the kernel may let packets through without hearing from us. */
  gateUntil(leaseUntil: number, leadUntil: number): number;
  /** Whether a peer's heartbeat may be granted. */
  mayGrant(settings: LeaseSettings, state: LeaseState, peer: Peer, now: number): boolean;
  /** Whether the peer is dead to us: nothing we granted can still keep its gate open. */
  mayVote(settings: LeaseSettings, state: LeaseState, peer: Peer, now: number): boolean;
  /** Whether evidence begun at `since` or later lets this host serve: it leads and is not fenced, or follows the leader. */
  mayServe(settings: LeaseSettings, state: LeaseState, since: number): boolean;
  /** Whether the leader `host` may be fenced: its gate was closed at a moment after its record was read. */
  mayFence(settings: LeaseSettings, view: Viewed, host: string, peer: Peer, now: number): boolean;
  /** The lease to revoke, if any: one whose holder's gate can never open under it again. */
  revocable(etcd: EtcdView): string | null;
}

export type Viewed = NonNullable<LeaseState["view"]>;

export const rules: Rules = {
  majority: (members) => Math.floor(members / 2) + 1,

  leaseStart: (sentAt) => sentAt,

  gateUntil: (leaseUntil, leadUntil) => Math.min(leaseUntil, leadUntil),

  mayGrant(settings, state, peer, now) {
    // Before a restart we may have promised not to.
    if (now < state.startedAt + settings.promiseMs) return false;
    if (peer.promisedUntil !== null && now < peer.promisedUntil) return false;
    // Called dead by a majority: only once it says itself that its gate is closed. A host whose clock
    // stood still (a paused machine) believes in its lease.
    return peer.deadBy === null || peer.gate !== "open";
  },

  mayVote(settings, state, peer, now) {
    // Before a restart we may have granted until that very moment.
    if (now < state.startedAt + settings.grantMs) return false;
    if (peer.grantedAt !== null && now < peer.grantedAt + settings.grantMs) return false;
    // Its lease may have ended because of our promise: as long as we hear it, it is not dead.
    return peer.heardAt === null || now >= peer.heardAt + settings.grantMs;
  },

  mayServe(settings, { postgres, view }, since) {
    if (view === null || view.begunAt < since || postgres.begunAt < since) return false;
    const { leader, records } = view.etcd;
    if (leader?.host !== settings.self) {
      // One that follows nobody may be about to end its recovery, by an order from before it was fenced: so
      // it must have been seen to follow after somebody else was seen to lead.
      if (postgres.status !== "replica" || postgres.begunAt < view.begunAt) return false;
      return leader !== null && postgres.upstream === leader.host;
    }
    const record = records[settings.self];
    if (record?.state === "fenced" && record.lease === leader.lease) return false;
    return postgres.status === "primary" || postgres.status === "replica";
  },

  mayFence(settings, view, host, peer, now) {
    // Voters were asked after the record had been read, and all their promises overlapped at one moment: then
    // the gate was closed. If it opens again, its record changes, and the write that fences fails.
    if (peer.deadBy !== null && view.endedAt <= peer.deadBy) return true;
    // It says so itself: closed since it wrote this very record.
    const closedSince = Math.max(peer.closedSince ?? now, view.leaderSince);
    const saysClosed =
      peer.gate === "failed" || (peer.gate === "closed" && now >= closedSince + settings.stuckMs);
    return saysClosed && peer.revision === (view.etcd.records[host]?.revision ?? "0");
  },

  revocable({ leader, records }) {
    if (leader === null) return null;
    const record = records[leader.host];
    return record?.state === "fenced" && record.lease === leader.lease ? leader.lease : null;
  },
};
