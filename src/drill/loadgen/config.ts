/** What the driver and its load generator say to each other, one JSON line per message. */
import { z } from "zod";

const httpPath = z.string().startsWith("/");

const loadConfigSchema = z.strictObject({
  mode: z.enum(["load", "read-back"]),
  /** Where clients go: `https://<address>:<port>`. */
  origin: z.url({ protocol: /^https$/ }),
  /** Name that clients ask for (Host and TLS server name); null: the address itself. */
  domain: z.string().nullable(),
  /** PEM of the CA that signed the service's certificate; null: the system's. */
  ca: z.string().nullable(),
  /** Bearer token; arrives on stdin because argv is readable by everybody. */
  token: z.string(),
  workload: z.strictObject({ read: httpPath, write: httpPath, readBack: httpPath }),
  rate: z.strictObject({ perSecond: z.number().positive().max(5000), clients: z.int().min(1).max(1000) }),
  connectTimeoutMs: z.int().positive(),
  responseTimeoutMs: z.int().positive(),
  /** The generator ends itself after this, whatever happens to its driver. */
  limitMs: z.int().positive(),
  /** Distinguishes the ids of this run from those of any other. */
  run: z.string().regex(/^[a-z0-9]+$/),
  historyFile: z.string(),
  readBackFile: z.string(),
});
export type LoadConfig = Readonly<z.output<typeof loadConfigSchema>>;

export const parseLoadConfig = (line: string): LoadConfig => loadConfigSchema.parse(JSON.parse(line));

const messageSchema = z.discriminatedUnion("type", [
  /** `clock`: process.hrtime.bigint() at time 0 of the history; CLOCK_MONOTONIC, so common to both processes. */
  z.strictObject({ type: z.literal("started"), clock: z.string() }),
  /** Counts since the last message; `oldestMs` is the age of the oldest request without an answer. */
  z.strictObject({
    type: z.literal("stats"),
    ok: z.int(),
    failed: z.int(),
    unknown: z.int(),
    oldestMs: z.number(),
  }),
  z.strictObject({ type: z.literal("ended"), requests: z.int() }),
]);
export type LoadMessage = Readonly<z.output<typeof messageSchema>>;

export const parseLoadMessage = (line: string): LoadMessage => messageSchema.parse(JSON.parse(line));
