/** Faults of etcd, which serves no client itself: the database goes on with fewer members, and with none. */
import { type Attack, type Fault, type ServiceFaultContext, needsTwo, serviceFault } from "../fault.ts";
import { killForGood, together } from "./damage.ts";
import { LEASE_MS } from "./patroni.ts";
import { etcdMembers } from "./targets.ts";

export const coordinationFaults: readonly Fault[] = [
  serviceFault({
    name: "etcd-member-loss",
    tier: "coordination",
    holdMs: 3000,
    title: "the leader of etcd killed for good",
    proves: "losing a member of etcd, the leading one too, costs clients nothing",
    applies: ({ coordination }) =>
      coordination.hosts.length < 3 ? "etcd has fewer than three members" : null,
    prepare: (context) => loseMembers(context, 1),
  }),
  serviceFault({
    name: "etcd-majority-loss",
    tier: "coordination",
    holdMs: LEASE_MS,
    title: "the majority of etcd killed for good",
    proves: "without a quorum the primary goes on (failsafe mode), though no failover is possible",
    applies: ({ coordination }) => needsTwo(coordination.hosts, "etcd"),
    prepare: ({ topology, ...rest }) =>
      loseMembers({ topology, ...rest }, Math.ceil(topology.coordination.hosts.length / 2)),
  }),
];

async function loseMembers(context: ServiceFaultContext, count: number): Promise<Attack> {
  const members = (await etcdMembers(context)).slice(0, count);
  return together(await Promise.all(members.map((member) => killForGood(member, ["etcd.service"]))));
}
