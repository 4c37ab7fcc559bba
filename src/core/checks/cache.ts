/** Rules: Redis, which carries the triggers that keep the app hosts' caches in step. */
import { type Rule, serviceRule } from "./rule.ts";
import { zoneOf } from "./tiers.ts";

export const cacheRules: readonly Rule[] = [
  serviceRule({
    code: "HF181",
    title: "Redis in cluster mode",
    severity: "error",
    why: "A single Redis has no other to take over: without its triggers the app hosts notice changes only at their periodic check.",
    fix: "Use `cache.mode: cluster` with three hosts.",
    check: ({ cache }) =>
      cache?.mode === "single"
        ? [
            {
              path: ["cache", "mode"],
              found: "single: nothing takes over when its host is lost",
              fix: "use cluster, with three hosts",
            },
          ]
        : [],
  }),
  serviceRule({
    code: "HF182",
    title: "At least three Redis masters",
    severity: "error",
    why: "The masters vote a lost one's replica in; a majority of two is two, so with fewer than three masters no failover ever happens.",
    fix: "List three hosts in `cache.hosts`; the third may be small.",
    check: ({ cache }) => {
      if (cache?.mode !== "cluster" || cache.hosts.length >= 3) return [];
      const count = cache.hosts.length;
      const found = `${count} Redis master${count === 1 ? "" : "s"}: a cluster needs three to agree on a failover`;
      return [{ path: ["cache", "hosts"], found, fix: `add ${3 - count} more` }];
    },
  }),
  serviceRule({
    code: "HF183",
    title: "Redis replica in another zone than its master",
    severity: "error",
    why: "Each host's master has its replica on the next host of the list: in one zone both are lost together, and a part of the slots with them.",
    fix: "Order `cache.hosts` so that neighbours (the last and the first too) stand in different zones.",
    check: (topology) => {
      const { cache } = topology;
      if (cache?.mode !== "cluster" || cache.hosts.length < 3 || topology.zones.length < 2) return [];
      return cache.hosts.flatMap((host, index) => {
        const next = cache.hosts[(index + 1) % cache.hosts.length] ?? host;
        const zone = zoneOf(topology, host);
        if (zone !== zoneOf(topology, next)) return [];
        const found = `the replica of ${host}'s master is on ${next}, in the same zone ${zone}`;
        return [
          {
            path: ["cache", "hosts", index],
            found,
            fix: "reorder the hosts so that neighbours are in different zones",
          },
        ];
      });
    },
  }),
  serviceRule({
    code: "HF184",
    title: "A way to tell the app hosts of changes",
    severity: "warning",
    why: "Without Redis the app hosts notice each other's changes only at their periodic check.",
    fix: "Add `cache` with three hosts.",
    check: ({ cache, app }) =>
      cache === undefined && app.hosts.length > 1
        ? [
            {
              path: [],
              found: "no cache: app hosts notice each other's changes late",
              fix: "add cache with three hosts",
            },
          ]
        : [],
  }),
];
