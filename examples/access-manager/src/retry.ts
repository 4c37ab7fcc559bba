/** What to do after a database error: pure, so that every case is in a table of tests. */

/**
 * - `lost`: the connection or the server behind it is gone or is no primary: find the primary again, then retry.
 * - `again`: the server is there, this try was unlucky: retry after a pause.
 * - `fail`: it would fail again; the caller must know.
 */
export type Verdict = "lost" | "again" | "fail";

/** The server that answered cannot take writes: a replica, or a primary that was demoted under us. */
export class NotPrimary extends Error {
  override readonly name = "NotPrimary";
}

/** The commit is on the primary, but its wait for the synchronous replica was cut short: not yet durable. */
export class OutcomeUnknown extends Error {
  override readonly name = "OutcomeUnknown";
}

/** The request's time ran out. What it wrote may or may not be committed. */
export class DeadlineExceeded extends Error {
  override readonly name = "DeadlineExceeded";
}

/** More requests wait for the database than memory and patience allow. */
export class Overloaded extends Error {
  override readonly name = "Overloaded";
}

const lostStates = new Set([
  "57P01", // admin_shutdown: fast shutdown, demotion
  "57P02", // crash_shutdown: another backend was killed
  "57P03", // cannot_connect_now: starting up, shutting down, in recovery
  "57P05", // idle_session_timeout
  "25P03", // idle_in_transaction_session_timeout: the session was closed
  "25006", // read_only_sql_transaction: this is the old primary, now a replica
  "53300", // too_many_connections: the probe waits until there is room
]);

const againStates = new Set([
  "40001", // serialization_failure
  "40P01", // deadlock_detected
  "55P03", // lock_not_available: lock_timeout, e.g. behind a commit that waits for its replica
  "57014", // query_canceled: statement_timeout
]);

const lostSocketCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ENOENT", // the unix socket of a server that is not running
]);

// The driver gives its own connection errors no code; these are all of pg 8's texts for them.
const lostMessages =
  /^(Connection terminated|timeout expired|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|The server does not support SSL|There was an error establishing an SSL connection)/;

export function classify(error: unknown): Verdict {
  if (error instanceof NotPrimary) return "lost";
  if (error instanceof OutcomeUnknown) return "again";
  if (!(error instanceof Error)) return "fail";
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) return lostMessages.test(error.message) ? "lost" : "fail";
  if (lostStates.has(code) || /^08\w{3}$/.test(code) || lostSocketCodes.has(code)) return "lost";
  return againStates.has(code) ? "again" : "fail";
}

/**
 * Pause before try number `attempt` (from 0) in ms: doubles from `baseMs` to `maxMs`, and is spread over
 * the upper half so that requests that failed together do not come back together. `random` is in [0, 1).
 */
export function backoffMs(attempt: number, random: number, baseMs = 25, maxMs = 250): number {
  const full = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 16));
  return full / 2 + (full / 2) * random;
}
