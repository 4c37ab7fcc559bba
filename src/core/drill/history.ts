/**
 * The raw history of a drill: one record per request, one JSON line per record. Times are
 * milliseconds since the start of the load, on the machine's monotonic clock.
 */
import { z } from "zod";

/**
 * What a request exercises; each is measured on its own. `read`: GET on a kept-alive connection;
 * `read-fresh`: GET on a new connection each time (a new visitor); `write`: POST, kept alive.
 */
export const requestClasses = ["read", "read-fresh", "write"] as const;
export type RequestClass = (typeof requestClasses)[number];

/**
 * `ok`: served. `failed`: certainly not done. `unknown`: it may or may not have been done (a timeout,
 * or a write whose connection broke after it was sent).
 */
export type Outcome = "ok" | "failed" | "unknown";

/**
 * `error` of a request that the generator left out, because held-up ones had taken all connections that
 * its client may open: it says nothing of the service, and so counts neither as served nor as failed.
 */
export const SKIPPED = "NO_CONNECTION";

const recordSchema = z.strictObject({
  seq: z.int().min(0),
  class: z.enum(requestClasses),
  client: z.int().min(0),
  /** When the schedule wanted it sent: latency counts from here (no coordinated omission). */
  intended: z.number(),
  sent: z.number(),
  done: z.number(),
  outcome: z.enum(["ok", "failed", "unknown"]),
  status: z.int().nullable(),
  /** Kind of failure: an errno, an undici code or `http`; null when ok. */
  error: z.string().nullable(),
  /** Identifier of the write; null for reads. */
  id: z.string().nullable(),
});
export type RequestRecord = Readonly<z.output<typeof recordSchema>>;

const readBackSchema = z.strictObject({
  id: z.string(),
  /** Outcome of the write when it was made. */
  outcome: z.enum(["ok", "failed", "unknown"]),
  /** When the write was due, ms since the start of the load. */
  intended: z.number(),
  /** `same`: as written; `other`: another value; `absent`: 404; `unreadable`: no definite answer in time. */
  found: z.enum(["same", "other", "absent", "unreadable"]),
  /** How many entries the service returned for the id: more than one is a duplicate. */
  copies: z.int().min(0),
  /** What was written: an entry of the database (absent), or one of the audit trail. */
  of: z.literal("trail").optional(),
  /** Number of the fault, from 0, after which this was found; absent in runs that were read back at the end only. */
  round: z.int().min(0).optional(),
});
/** What became of one write, as read back after a fault. */
export type ReadBack = Readonly<z.output<typeof readBackSchema>>;

export const formatLine = (record: RequestRecord | ReadBack): string => `${JSON.stringify(record)}\n`;

export const parseHistory = (text: string): RequestRecord[] => parseLines(text, recordSchema, "history");
export const parseReadBack = (text: string): ReadBack[] => parseLines(text, readBackSchema, "read-back");

/** Ids of a run in the order of their requests, so that a list of them can go on where an earlier one ended. */
export const writeId = (run: string, seq: number): string => `${run}-${String(seq).padStart(9, "0")}`;

/** The value that the write with this id carries: derived, so that a read-back needs no memory. */
export const valueOf = (id: string): string => `drill value of ${id}`;

/** @throws Error that names the damaged line; half a line at the end, of a killed writer, is left out */
export function parseLines<T>(text: string, schema: z.ZodType<T>, what: string): T[] {
  const lines = text.split("\n");
  lines.pop(); // "" after the last newline, or half a line that a killed generator left
  return lines.map((line, index) => {
    try {
      return schema.parse(JSON.parse(line));
    } catch (cause) {
      throw new Error(`line ${index + 1} of the ${what} is damaged`, { cause });
    }
  });
}
