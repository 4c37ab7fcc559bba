import type { LogEntry } from "../../decide/lease/types.ts";

/** What the journal says of a change of the lease; core/drill/engine-lines.ts reads it again. */
export function logLine(what: LogEntry, host: string): string {
  switch (what) {
    case "silent":
      return `database: ${host} is silent`;
    case "dead":
      return `database: a majority declared ${host} dead`;
    case "readmitted":
      return `database: ${host} is heard again`;
    case "fenced":
      return `database: ${host} is fenced: it can serve no more under its lease`;
    case "revoked":
      return `database: revoked the leader lease of ${host}`;
    case "gate-open":
      return `database: gate open on ${host}`;
    case "gate-closed":
      return `database: gate closed on ${host}`;
    case "armed":
      return `database: fast failover is on for ${host}`;
    case "unarmed":
      return `database: plain Patroni on ${host}: its gate is gone`;
    case "postgres-failed":
      return `database: PostgreSQL on ${host} failed: hands over`;
  }
}
