/** Rules: what a failure may cost in data. */
import { type Rule, serviceRule } from "./rule.ts";

export const dataRules: readonly Rule[] = [
  serviceRule({
    code: "HF121",
    title: "`dataLoss: none` needs a synchronous replica",
    severity: "error",
    why: "A write is safe against the loss of a host only when a second host has it before it is acknowledged.",
    fix: "Have at least two database hosts, or declare `dataLoss: bounded`.",
    check: ({ objectives, database }) =>
      objectives.database.dataLoss === "none" && database.hosts.length < 2
        ? [
            {
              path: ["objectives", "database", "dataLoss"],
              found: "dataLoss is none, but there is no second database host to hold a copy",
              fix: "add a database host, or declare dataLoss: bounded",
            },
          ]
        : [],
  }),
  serviceRule({
    code: "HF122",
    title: "One synchronous replica only",
    severity: "warning",
    why: "While the only replica is away there are two choices, and both cost: to block all writes until it is back, or to go on with one copy, so that the loss of the primary in that time loses what was written alone. With one replica Holdfast goes on (availability first), and Patroni promotes nobody who lacks acknowledged writes; with two replicas writes stay synchronous, because the other takes over.",
    fix: "Add a third database host, or accept the finding and repair a lost replica at once.",
    check: ({ objectives, database }) =>
      objectives.database.dataLoss === "none" && database.hosts.length === 2
        ? [
            {
              path: ["database", "hosts"],
              found:
                "exactly one replica: while it is away writes are acknowledged with one copy only (blocking them instead would stop the service)",
              fix: "add a third database host",
            },
          ]
        : [],
  }),
  serviceRule({
    code: "HF123",
    title: "Asynchronous replication loses what is in flight",
    severity: "warning",
    why: "In the trials (an insert every 5 ms) each failover of an asynchronous pair lost 126 to 137 acknowledged writes.",
    fix: "Declare `dataLoss: none`, or accept it if the app can make lost writes again.",
    check: ({ objectives, database }) =>
      objectives.database.dataLoss === "bounded" && database.hosts.length >= 2
        ? [
            {
              path: ["objectives", "database", "dataLoss"],
              found: "bounded: a failover loses the acknowledged writes that no replica had yet",
              fix: "declare dataLoss: none (each write then waits for a replica)",
            },
          ]
        : [],
  }),
  serviceRule({
    code: "HF124",
    title: "PostgreSQL's durability switched off",
    severity: "error",
    why: "Without fsync or full_page_writes a crash can corrupt the data; without synchronous_commit an acknowledged write can be gone after it.",
    fix: "Remove the parameter.",
    check: ({ database, objectives }) =>
      Object.entries(database.parameters).flatMap(([name, value]) => {
        const key = name.toLowerCase();
        const off = ["off", "false", "no", "0"].includes(String(value).toLowerCase());
        const path = ["database", "parameters", name];
        if (off && (key === "fsync" || key === "full_page_writes")) {
          return [{ path, found: `${key} is off: a crash can corrupt the database`, fix: "remove it" }];
        }
        // "local" and "remote_write" acknowledge before the replica has the write on disk.
        const weak = off || String(value) === "local" || String(value) === "remote_write";
        if (key !== "synchronous_commit" || !weak || objectives.database.dataLoss !== "none") return [];
        const found = `synchronous_commit ${String(value)} acknowledges writes that no replica has on disk, but dataLoss is none`;
        return [{ path, found, fix: "remove it, or declare dataLoss: bounded" }];
      }),
  }),
  serviceRule({
    code: "HF125",
    title: "Setting of Patroni among PostgreSQL's parameters",
    severity: "error",
    why: "`maximum_lag_on_failover` and the like belong to Patroni; as PostgreSQL parameters they stop PostgreSQL from starting.",
    fix: "Remove it from `database.parameters`.",
    check: ({ database }) => {
      const patroni = [
        "ttl",
        "loop_wait",
        "retry_timeout",
        "maximum_lag_on_failover",
        "synchronous_mode",
        "synchronous_mode_strict",
      ];
      return Object.keys(database.parameters)
        .filter((name) => patroni.includes(name))
        .map((name) => ({
          path: ["database", "parameters", name],
          found: `${name} is a setting of Patroni, not of PostgreSQL`,
          fix: "remove it: Holdfast sets it from the objectives",
        }));
    },
  }),
];
