import { rules } from "../../../src/core/decide/lease/rules.ts";
import type { Variant } from "./agent.ts";

/**
 * Mistakes that one could make, each in one decision. `seed`: one that catches it; a change of the product or
 * of the model may move it, so the test tries the ones behind it too.
 */
export const variants: Readonly<Record<string, Variant & { readonly seed: number }>> = {
  "the lease counts from when the acknowledgement came": {
    seed: 115,
    slow: 0.3,
    faults: ["isolate"],
    rules: { leaseStart: (_sentAt, acknowledgedAt) => acknowledgedAt },
  },
  "silence is called death before the lease can have ended": {
    seed: 7,
    faults: ["isolate", "split", "cut pair"],
    settings: { grantMs: 500 },
  },
  "a yes promises nothing": {
    seed: 40,
    slow: 0.05,
    rules: { mayGrant: (settings, state, _peer, now) => now >= state.startedAt + settings.promiseMs },
  },
  "a host called dead is acknowledged before it says that it is closed": {
    seed: 0,
    faults: ["pause machine"],
    rules: {
      mayGrant: (settings, state, peer, now) =>
        rules.mayGrant(settings, state, { ...peer, deadBy: null }, now),
    },
  },
  "a yes without having been silent itself": {
    seed: 0,
    rules: { mayVote: (settings, state, _peer, now) => now >= state.startedAt + settings.grantMs },
  },
  "a majority of the living": {
    seed: 17,
    faults: ["split", "isolate"],
    rules: { majority: (_members, heard) => Math.floor(heard() / 2) + 1 },
  },
  "the gate outlives the lease": {
    seed: 2,
    rules: { gateUntil: (leaseUntil, leadUntil) => Math.min(leaseUntil + 1500, leadUntil) },
  },
  "the gate outlives the leader key": {
    seed: 1,
    faults: ["Patroni hangs"],
    rules: { gateUntil: (leaseUntil) => leaseUntil },
  },
  "one host alone fences": {
    seed: 0,
    rules: {
      mayFence: (settings, _view, _host, peer, now) =>
        peer.heardAt !== null && now >= peer.heardAt + settings.grantMs,
    },
  },
  "the record is read after the vote": {
    seed: 30,
    slow: 0.05,
    faults: ["isolate", "split", "cut pair"],
    rules: {
      mayFence: (settings, view, host, peer, now) =>
        rules.mayFence(settings, { ...view, endedAt: -Infinity }, host, peer, now),
    },
  },
  "closed, it said, of an earlier record": {
    seed: 56,
    slow: 0.05,
    faults: ["mute", "deaf", "postgres hangs"],
    rules: {
      mayFence: (settings, view, host, peer, now) =>
        rules.mayFence(
          settings,
          view,
          host,
          { ...peer, revision: view.etcd.records[host]?.revision ?? "0" },
          now,
        ),
    },
  },
  "opens again by a stale read, without comparing": {
    seed: 7,
    faults: ["isolate", "freeze"],
    staleReadsMs: 4000,
    putsBlindly: true,
  },
  "records are put without comparing": {
    seed: 17,
    slow: 0.05,
    faults: ["isolate", "split", "freeze", "no etcd"],
    putsBlindly: true,
  },
  "opens again under a fenced lease": {
    seed: 52,
    faults: ["freeze", "split", "postgres hangs"],
    rules: {
      mayServe: (_settings, { postgres, view }, since) =>
        view !== null && view.begunAt >= since && postgres.begunAt >= since && postgres.status !== "stopped",
    },
  },
  "revokes without a fence": {
    seed: 0,
    rules: {
      mayFence: () => false,
      revocable: ({ leader, records }) =>
        leader !== null && records[leader.host]?.state === "open" ? leader.lease : null,
    },
  },
  "revokes whoever leads": {
    seed: 2,
    slow: 0.05,
    faults: ["isolate", "kill postgres", "no etcd"],
    revokesByKey: true,
  },
};
