/**
 * What a drill observes beside its requests, one JSON line per record, on the history's clock (ms
 * since the start of the load): probes of the address, long-lived connections, caches, the trail.
 */
import { z } from "zod";
import { parseLines } from "./history.ts";

const outcome = z.enum(["ok", "failed", "unknown"]);

export const probeProtocols = ["tcp", "udp"] as const;
export type ProbeProtocol = (typeof probeProtocols)[number];

/** Probes in a row, in the order they were sent, that all had the same result. */
const probesSchema = z.strictObject({
  kind: z.literal("probes"),
  protocol: z.enum(probeProtocols),
  ok: z.boolean(),
  /** When the first and the last of them were sent. */
  from: z.number(),
  to: z.number(),
  count: z.int().positive(),
  /** Longest time to an answer, ms; null when they had none. */
  slowestMs: z.number().nullable(),
});
export type ProbesRecord = Readonly<z.output<typeof probesSchema>>;

/**
 * A long-lived connection, from its opening to its end. The service sends something on it every
 * `everyMs`; each time it was silent for longer is listed.
 */
const connectionSchema = z.strictObject({
  kind: z.literal("connection"),
  name: z.string(),
  /** `stream`: through the entry; `session`: a database session of an app host. */
  purpose: z.enum(["stream", "session"]),
  everyMs: z.number(),
  opened: z.number(),
  /** When it ended, and how; `closed`: by the drill, at the end of the load. */
  ended: z.number(),
  end: z.enum(["closed", "cut"]),
  error: z.string().nullable(),
  /** When the last data came. */
  lastData: z.number(),
  silences: z.array(z.strictObject({ from: z.number(), to: z.number() })),
});
export type ConnectionRecord = Readonly<z.output<typeof connectionSchema>>;

/** The n-th change of the one cached object, made by its only writer: the next starts when it has ended. */
const changeSchema = z.strictObject({
  kind: z.literal("change"),
  n: z.int().positive(),
  sent: z.number(),
  done: z.number(),
  outcome,
});
export type ChangeRecord = Readonly<z.output<typeof changeSchema>>;

/** Questions in a row to one host that all showed the same change; 0: none of this run's. */
const shownSchema = z.strictObject({
  kind: z.literal("shown"),
  host: z.string(),
  n: z.int().min(0),
  /** When the first and the last of these questions were sent. */
  from: z.number(),
  to: z.number(),
  /** When the first of them was answered. */
  seen: z.number(),
});
export type ShownRecord = Readonly<z.output<typeof shownSchema>>;

/** One append to the trail, through the entry. */
const appendSchema = z.strictObject({
  kind: z.literal("append"),
  id: z.string(),
  intended: z.number(),
  sent: z.number(),
  done: z.number(),
  outcome,
  status: z.int().nullable(),
  error: z.string().nullable(),
});
export type AppendRecord = Readonly<z.output<typeof appendSchema>>;

/** How late the observer itself was: the longest pause of its loop in each second with one above 10 ms. */
const pauseSchema = z.strictObject({ kind: z.literal("pause"), at: z.number(), ms: z.number() });

const observationSchema = z.discriminatedUnion("kind", [
  probesSchema,
  connectionSchema,
  changeSchema,
  shownSchema,
  appendSchema,
  pauseSchema,
]);
export type Observation = Readonly<z.output<typeof observationSchema>>;

export const formatObservation = (record: Observation): string => `${JSON.stringify(record)}\n`;

export const parseObservations = (text: string): Observation[] =>
  parseLines(text, observationSchema, "observations");
