import type { LogEntry } from "../../decide/lease/types.ts";

const lines: Readonly<Record<LogEntry, (host: string) => string>> = {
  silent: (host) => `${host} is silent`,
  dead: (host) => `a majority declared ${host} dead`,
  readmitted: (host) => `${host} is heard again`,
  fenced: (host) => `${host} is fenced: it can serve no more under its lease`,
  revoked: (host) => `revoked the leader lease of ${host}`,
  "gate-open": (host) => `gate open on ${host}`,
  "gate-closed": (host) => `gate closed on ${host}`,
  armed: (host) => `fast failover is on for ${host}`,
  unarmed: (host) => `plain Patroni on ${host}: its gate is gone`,
  "postgres-failed": (host) => `PostgreSQL on ${host} failed: hands over`,
};

/** What the journal says of a change of the lease; core/drill/engine-lines.ts reads it again. */
export const logLine = (what: LogEntry, host: string): string => `database: ${lines[what](host)}`;
