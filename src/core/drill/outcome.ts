/** Which outcome a finished request has: the one place that decides what counts as done. */
import type { Outcome } from "./history.ts";

export interface Finished {
  readonly write: boolean;
  /** Bytes of the request may have left: the service may have acted on it. */
  readonly sent: boolean;
  /** HTTP status of a complete response; null when there was none. */
  readonly status: number | null;
  /** The client gave up waiting for the response. */
  readonly timedOut: boolean;
}

/**
 * Statuses by which a server or a proxy says that it did not act: every 4xx, and 503 (HAProxy: no
 * server could be reached; the app: refused). Any other 5xx may follow a write that was committed:
 * 502 and 504 are a proxy that lost the answer, 500 may be a lost connection during COMMIT.
 */
const notDone = (status: number): boolean => (status >= 400 && status < 500) || status === 503;

export function outcomeOf({ write, sent, status, timedOut }: Finished): Outcome {
  if (status !== null) {
    if (status >= 200 && status < 300) return "ok";
    return write && !notDone(status) ? "unknown" : "failed";
  }
  if (!sent) return "failed";
  if (timedOut) return "unknown";
  return write ? "unknown" : "failed"; // a read has no effect that could have happened
}
