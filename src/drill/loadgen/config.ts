/** What the driver and its load generator say to each other, one JSON line per message. */
import { z } from "zod";

const httpPath = z.string().startsWith("/");

/** What every mode needs to be a client of the service. */
const clientShape = {
  /** Where clients go: `https://<address>:<port>`. */
  origin: z.url({ protocol: /^https$/ }),
  /** Name that clients ask for (Host and TLS server name); null: the address itself. */
  domain: z.string().nullable(),
  /** PEM of the CA that signed the service's certificate; null: the system's. */
  ca: z.string().nullable(),
  /** Bearer token; arrives on stdin because argv is readable by everybody. */
  token: z.string(),
  connectTimeoutMs: z.int().positive(),
  responseTimeoutMs: z.int().positive(),
  /** The generator ends itself after this, whatever happens to its driver. */
  limitMs: z.int().positive(),
  /** Distinguishes the ids of this run from those of any other. */
  run: z.string().regex(/^[a-z0-9]+$/),
};

const loadShape = {
  ...clientShape,
  workload: z.strictObject({
    read: httpPath,
    /** Absent, with `readBack`, where nothing can be written: who would write reads instead. */
    write: httpPath.optional(),
    readBack: httpPath.optional(),
    list: httpPath.optional(),
  }),
  rate: z.strictObject({ perSecond: z.number().positive().max(5000), clients: z.int().min(1).max(1000) }),
  historyFile: z.string(),
  readBackFile: z.string(),
  /** Appends to the trail, to be read back too; null where the app keeps none. */
  trail: z.strictObject({ readBack: httpPath, observationsFile: z.string() }).nullable(),
};
const loadConfigSchema = z.strictObject({ mode: z.literal("load"), ...loadShape });
export type LoadConfig = Readonly<z.output<typeof loadConfigSchema>>;

const bytes = z.int().min(0);
const readBackConfigSchema = z.strictObject({
  mode: z.literal("read-back"),
  ...loadShape,
  /** Number of the fault after which this is, from 0. */
  round: z.int().min(0),
  /** Where in the load's files the writes begin that were not read back before, bytes. */
  from: z.strictObject({ history: bytes, observations: bytes }),
  /** Those that were read back before are so once more; only what is wrong with them is recorded. */
  whole: z.boolean(),
});
export type ReadBackConfig = Readonly<z.output<typeof readBackConfigSchema>>;
export type Positions = ReadBackConfig["from"];

const httpsOrigin = z.url({ protocol: /^https$/ });

const observeConfigSchema = z.strictObject({
  mode: z.literal("observe"),
  ...clientShape,
  /** `clock` of the load's `started` message: both write their times on it. */
  clock: z.string().regex(/^\d+$/),
  observationsFile: z.string(),
  /** PEM of the CA that signed the app hosts' own certificates. */
  hostCa: z.string(),
  /** Where connecting is probed, and where UDP is echoed; null: not. */
  probe: z.strictObject({ address: z.ipv4(), tcpPort: z.int(), udpPort: z.int() }).nullable(),
  /** Connections to hold open. */
  connections: z.array(
    z.strictObject({
      name: z.string(),
      purpose: z.enum(["stream", "session"]),
      /** Its own origin; a stream goes where clients go. */
      origin: httpsOrigin,
      path: httpPath,
      /** How often the service sends something on it. */
      everyMs: z.int().positive(),
    }),
  ),
  /** The cached object: where it is changed (through the entry), and each app host's own view of it. */
  cache: z
    .strictObject({
      change: httpPath,
      shown: httpPath,
      hosts: z.array(z.strictObject({ name: z.string(), origin: httpsOrigin })),
    })
    .nullable(),
  trail: z.strictObject({ write: httpPath }).nullable(),
});
export type ObserveConfig = Readonly<z.output<typeof observeConfigSchema>>;

/** What a virtual client needs to know. */
export type ClientConfig = Pick<
  LoadConfig,
  "origin" | "domain" | "ca" | "token" | "connectTimeoutMs" | "responseTimeoutMs"
>;

const generatorConfigSchema = z.discriminatedUnion("mode", [
  loadConfigSchema,
  readBackConfigSchema,
  observeConfigSchema,
]);

export const parseGeneratorConfig = (line: string): LoadConfig | ReadBackConfig | ObserveConfig =>
  generatorConfigSchema.parse(JSON.parse(line));

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
  /** `to`: up to where a read-back has read the load's files. */
  z.strictObject({
    type: z.literal("ended"),
    requests: z.int(),
    to: z.strictObject({ history: bytes, observations: bytes }).optional(),
  }),
]);
export type LoadMessage = Readonly<z.output<typeof messageSchema>>;

export const parseLoadMessage = (line: string): LoadMessage => messageSchema.parse(JSON.parse(line));
