/** Rules: no single host and no single zone may stop a tier. */
import { type Finding, type Rule, serviceRule } from "./rule.ts";
import { tiers, zoneOf } from "./tiers.ts";

export const availabilityRules: readonly Rule[] = [
  serviceRule({
    code: "HF101",
    title: "At least two app hosts",
    severity: "error",
    why: "With one app host its loss, and every upgrade, is an outage of the service.",
    fix: "Add a second host to `app.hosts`, in another zone.",
    check: ({ app }) =>
      app.hosts.length >= 2
        ? []
        : [
            {
              path: ["app", "hosts"],
              found: "one app host: its loss stops the service",
              fix: "add a second, in another zone",
            },
          ],
  }),
  {
    code: "HF102",
    title: "At least two entry hosts",
    severity: "error",
    why: "The virtual address can only move when there is another host to hold it.",
    fix: "Add a second host to `entry.hosts`, in another zone.",
    check: ({ entry }) =>
      entry.hosts.length >= 2
        ? []
        : [
            {
              path: ["entry", "hosts"],
              found: "one entry host: its loss cuts off all clients",
              fix: "add a second, in another zone",
            },
          ],
  },
  serviceRule({
    code: "HF103",
    title: "At least two database hosts",
    severity: "error",
    why: "Without a replica the loss of the database host stops the service, and its disk's loss loses the data back to the last backup.",
    fix: "Add a second host to `database.hosts`, in another zone.",
    check: ({ database }) =>
      database.hosts.length >= 2
        ? []
        : [
            {
              path: ["database", "hosts"],
              found: "one database host: nothing can take over from it",
              fix: "add a second, in another zone",
            },
          ],
  }),
  serviceRule({
    code: "HF104",
    title: "etcd quorum: odd and at least three",
    severity: "error",
    why: "etcd serves while a majority of its members does. One or two members survive no loss at all; an even number survives no more than one less would, and has one host more that can fail.",
    fix: "List 3 (or 5) hosts in `coordination.hosts`; a small witness host is enough for the third.",
    check: ({ coordination }) => {
      const count = coordination.hosts.length;
      const path = ["coordination", "hosts"];
      if (count < 3) {
        const found = `${count} etcd member${count === 1 ? "" : "s"}: the loss of one stops every database failover`;
        return [{ path, found, fix: `add ${3 - count} more: 3 members survive the loss of one` }];
      }
      if (count % 2 === 1) return [];
      const found = `${count} etcd members survive the loss of ${count / 2 - 1}, as ${count - 1} would`;
      return [{ path, found, fix: count > 4 ? "use 5" : "use 3 or 5" }];
    },
  }),
  {
    code: "HF105",
    title: "No single zone whose loss stops a tier",
    severity: "error",
    why: "A zone is what fails together: a rack, a room, a power feed. etcd and Redis Cluster need a majority of their hosts, the other tiers at least one.",
    fix: "Spread the tier's hosts over zones; a quorum needs three zones.",
    check: (topology) => {
      if (topology.zones.length === 1) {
        const found = "one zone: its loss stops everything";
        return [
          {
            path: ["zones"],
            found,
            fix: "declare the failure domains that there are and spread the hosts over them",
          },
        ];
      }
      return tiers(topology).flatMap(({ name, hosts, serves }) => {
        // Tiers that survive not even one host have their own rules.
        if (!serves(hosts.length - 1)) return [];
        return topology.zones.flatMap((zone): Finding[] => {
          const lost = hosts.filter((host) => zoneOf(topology, host) === zone);
          if (lost.length === 0 || serves(hosts.length - lost.length)) return [];
          const found = `zone ${zone} has ${lost.length} of the ${hosts.length} hosts (${lost.join(", ")}): its loss stops the tier`;
          const majority = serves(1)
            ? "move one to another zone"
            : "spread them over three zones, with less than half in each";
          return [{ path: [name, "hosts"], found, fix: majority }];
        });
      });
    },
  },
  serviceRule({
    code: "HF106",
    title: "Not more etcd members than help",
    severity: "warning",
    why: "Every write waits for a majority: beyond five members etcd gets slower and hardly safer.",
    fix: "Use 3 or 5 members.",
    check: ({ coordination }) =>
      coordination.hosts.length <= 5
        ? []
        : [
            {
              path: ["coordination", "hosts"],
              found: `${coordination.hosts.length} etcd members`,
              fix: "use 5: they survive the loss of two",
            },
          ],
  }),
  {
    code: "HF107",
    title: "Tiers spread evenly over zones",
    severity: "warning",
    why: "When the zone with most of a tier's hosts is lost, the few that are left get all the load.",
    fix: "Let the numbers of the tier's hosts per zone differ by at most one.",
    check: (topology) =>
      (["entry", "app", "database"] as const).flatMap((name) => {
        const hosts = topology[name]?.hosts ?? [];
        if (hosts.length < 3) return [];
        const counts = topology.zones.map(
          (zone) => hosts.filter((host) => zoneOf(topology, host) === zone).length,
        );
        const used = hosts.length >= topology.zones.length ? counts : counts.filter((count) => count > 0);
        if (Math.max(...used) - Math.min(...used) <= 1 || Math.max(...counts) === hosts.length) return [];
        const spread = topology.zones.map((zone, index) => `${zone}: ${counts[index]}`).join(", ");
        return [
          {
            path: [name, "hosts"],
            found: `uneven over the zones (${spread})`,
            fix: "move hosts from the fullest zone to the emptiest",
          },
        ];
      }),
  },
  {
    code: "HF108",
    title: "Zone without hosts",
    severity: "warning",
    why: "A zone in which nothing stands suggests a redundancy that is not there.",
    fix: "Place hosts in it, or remove it from `zones`.",
    check: (topology) =>
      topology.zones.flatMap((zone, index) =>
        Object.values(topology.hosts).some((host) => host.zone === zone)
          ? []
          : [
              {
                path: ["zones", index],
                found: `no host stands in zone ${zone}`,
                fix: "place hosts in it, or remove it",
              },
            ],
      ),
  },
  {
    code: "HF109",
    title: "Host without a task",
    severity: "warning",
    why: "It is set up, patched and paid for, and serves nothing: probably it was forgotten in a tier.",
    fix: "Name it in a tier's `hosts`, or remove it.",
    check: (topology) => {
      const used = new Set(tiers(topology).flatMap(({ hosts }) => hosts));
      return Object.keys(topology.hosts)
        .filter((host) => !used.has(host))
        .map((host) => ({
          path: ["hosts", host],
          found: "no tier uses this host",
          fix: "name it in a tier's hosts, or remove it",
        }));
    },
  },
  serviceRule({
    code: "HF110",
    title: "etcd apart from PostgreSQL",
    severity: "warning",
    why: "etcd must write to disk within its heartbeat. A checkpoint of PostgreSQL on the same disk delays it, and a late etcd makes a healthy primary step down.",
    fix: "Give etcd hosts of its own, or at least a disk of its own, and accept the finding.",
    check: (topology) => {
      const shared = topology.coordination.hosts.filter((host) => topology.database.hosts.includes(host));
      if (shared.length === 0) return [];
      const found = `etcd shares ${shared.join(", ")} with PostgreSQL: a burst of writes there can delay failovers or cause one`;
      return [
        {
          path: ["coordination", "hosts"],
          found,
          fix: "use hosts without PostgreSQL, or accept it when the disks are fast (SSD)",
        },
      ];
    },
  }),
];
