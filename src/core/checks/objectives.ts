/** Rules: what was promised must be possible. The figures are those that were measured (see each rule's `why`). */
import { databaseMembers } from "../engines/agent/database.ts";
import type { Topology } from "../topology/schema.ts";
import { type Finding, type Rule, serviceRule } from "./rule.ts";
import { seconds } from "./tiers.ts";

// Milliseconds from a PostgreSQL primary killed, its host alive, to the next acknowledged write: worst measured.
const PROCESS_FAILOVER = 3200;
// The same with the whole host lost: Patroni's leader key expires after its ttl, 20 s at least.
const HOST_FAILOVER = 25_200;
const AGENTS_FAILOVER = 4000;
// A Redis master killed, cluster-node-timeout 500 ms, to the next SET: median measured.
const REDIS_FAILOVER = 1800;

/** Three intervals, the skew of the backup's priority and the announcement: below four intervals altogether. */
const takeoverTime = ({ entry }: Topology): number => 4 * entry.address.advertInterval;

export const objectiveRules: readonly Rule[] = [
  {
    code: "HF131",
    title: "Entry: address takeover within the objective",
    severity: "error",
    why: "A backup takes the address after three missed advertisements. Measured: 110 to 145 ms at 50 ms, 2.5 to 3.4 s at 1 s.",
    fix: "Shorten `entry.address.advertInterval`, or declare a longer `objectives.entry.recoveryTime`.",
    check: (topology) => {
      const { advertInterval } = topology.entry.address;
      const { recoveryTime } = topology.objectives.entry;
      if (takeoverTime(topology) <= recoveryTime) return [];
      const found = `an address takeover lasts up to ${seconds(takeoverTime(topology))} at advertInterval ${seconds(advertInterval)}, the objective is ${seconds(recoveryTime)}`;
      const fix = "use an advertInterval of 50ms and an objective of 1s";
      return [{ path: ["entry", "address", "advertInterval"], found, fix }];
    },
  },
  {
    code: "HF132",
    title: "Advertisement interval that a busy host can keep",
    severity: "warning",
    why: "At 50 ms there was no false takeover in 200 s under four kinds of heavy load. Below that a host that is merely busy can lose the address.",
    fix: "Use 50ms.",
    check: ({ entry }) =>
      entry.address.advertInterval >= 50
        ? []
        : [
            {
              path: ["entry", "address", "advertInterval"],
              found: `${seconds(entry.address.advertInterval)}: a busy host may miss three in a row and lose the address`,
              fix: "use 50ms",
            },
          ],
  },
  serviceRule({
    code: "HF133",
    title: "App: loss of a host noticed within the objective",
    severity: "error",
    why: "A silent host leaves the pool after `fall` checks, `interval` apart.",
    fix: "Shorten `app.health.interval`, lower `fall`, or declare a longer `objectives.app.recoveryTime`.",
    check: ({ app, objectives }) => {
      const { interval, fall } = app.health;
      const { recoveryTime } = objectives.app;
      if (interval * fall <= recoveryTime) return [];
      const found = `a lost host is noticed after ${seconds(interval * fall)} (${fall} × ${seconds(interval)}), the objective is ${seconds(recoveryTime)}`;
      const fix = `at most ${Math.floor(recoveryTime / fall)}ms at fall ${fall}`;
      return [{ path: ["app", "health", "interval"], found, fix }];
    },
  }),
  serviceRule({
    code: "HF134",
    title: "Database: failover of PostgreSQL within the objective",
    severity: "error",
    why: "Measured write outages with Patroni 4.1 at the shortest settings it accepts: 2.1 to 3.2 s when PostgreSQL dies.",
    fix: "Declare a `recoveryTime` of 4s or more.",
    check: ({ objectives, database }) => {
      const { recoveryTime } = objectives.database;
      if (database.hosts.length < 2 || recoveryTime >= PROCESS_FAILOVER) return [];
      const found = `${seconds(recoveryTime)}, but a failover takes up to ${seconds(PROCESS_FAILOVER)} even when only PostgreSQL dies`;
      return [{ path: ["objectives", "database", "recoveryTime"], found, fix: "declare 4s or more" }];
    },
  }),
  {
    code: "HF135",
    title: "Cache: failover within the objective",
    severity: "warning",
    why: "Measured with a node timeout of 500 ms: writes to a lost master's slots fail for 1.8 s (median), published triggers for 0.2 s. An objective without the tier, or a tier without an objective, cannot be judged.",
    fix: "Declare `objectives.cache.recoveryTime` of 3s or more where there is a cache.",
    check: ({ objectives, cache }): Finding[] => {
      const objective = objectives.cache;
      if (cache === undefined) {
        if (objective === undefined) return [];
        return [
          {
            path: ["objectives", "cache"],
            found: "an objective for a cache, but there is no cache",
            fix: "remove it, or add the cache",
          },
        ];
      }
      if (objective === undefined) {
        return [
          {
            path: ["objectives"],
            found: "no objective for the cache: a drill of it has nothing to judge",
            fix: "add cache: { recoveryTime: 5s }",
          },
        ];
      }
      if (cache.mode === "single" || objective.recoveryTime >= REDIS_FAILOVER) return [];
      const found = `${seconds(objective.recoveryTime)}, but a failover of a Redis master takes ${seconds(REDIS_FAILOVER)}`;
      return [{ path: ["objectives", "cache", "recoveryTime"], found, fix: "declare 3s or more" }];
    },
  },
  {
    code: "HF136",
    title: "Entry: objective that TCP can meet",
    severity: "warning",
    why: "The address moves within 150 ms, but a client whose first packet falls into the gap sends it again only after 1 s: so TCP does.",
    fix: "Declare an `objectives.entry.recoveryTime` of 1s or more.",
    check: (topology) => {
      const { recoveryTime } = topology.objectives.entry;
      if (recoveryTime >= 1000 || takeoverTime(topology) > recoveryTime) return [];
      const found = `${seconds(recoveryTime)}: a client whose SYN falls into the gap waits 1 s before it sends it again`;
      return [{ path: ["objectives", "entry", "recoveryTime"], found, fix: "declare 1s or more" }];
    },
  },
  serviceRule({
    code: "HF137",
    title: "App: a host that hangs noticed within the objective",
    severity: "warning",
    why: "A host that accepts connections and never answers fails each check only after `timeout`.",
    fix: "Shorten `app.health.timeout` and `interval`, if the app always answers in that time.",
    check: ({ app, objectives }) => {
      const { interval, timeout, fall } = app.health;
      const { recoveryTime } = objectives.app;
      const hung = (interval + timeout) * fall;
      if (hung <= recoveryTime || interval * fall > recoveryTime) return [];
      const found = `a host that hangs is noticed after ${seconds(hung)} (${fall} × (${seconds(interval)} + ${seconds(timeout)})), the objective is ${seconds(recoveryTime)}`;
      const fix = "shorten timeout and interval, if the app always answers in that time";
      return [{ path: ["app", "health", "timeout"], found, fix }];
    },
  }),
  serviceRule({
    code: "HF138",
    title: "Database: loss of the primary's host within the objective",
    severity: "warning",
    why: "The agents of three hosts of the database tier (data hosts and a witness) declare a silent host dead together: measured write outages of 1.4 to 2.1 s, 4 s on a busy machine. Without a third, Patroni's leader key decides, which expires after 20 s at the earliest: 22 to 25.2 s.",
    fix: "Declare a `recoveryTime` of 4s or more and have a third voter: a third data host, or an etcd member on a host without PostgreSQL.",
    check: (topology) => {
      const { objectives, database } = topology;
      const { recoveryTime } = objectives.database;
      const failover = databaseMembers(topology) === null ? HOST_FAILOVER : AGENTS_FAILOVER;
      if (database.hosts.length < 2 || recoveryTime >= failover || recoveryTime < PROCESS_FAILOVER) return [];
      const found = `${seconds(recoveryTime)} holds when PostgreSQL dies (up to ${seconds(PROCESS_FAILOVER)}), not when its host does (up to ${seconds(failover)})`;
      const fix = `declare ${Math.ceil(failover / 1000)}s or more`;
      return [{ path: ["objectives", "database", "recoveryTime"], found, fix }];
    },
  }),
];
