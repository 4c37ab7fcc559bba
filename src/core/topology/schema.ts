/**
 * The topology: the operator's file, as a zod schema. The one source of its shape: the parser, the
 * JSON Schema for editors (docs/topology.schema.json) and the reference page (docs/topology.md) are
 * all derived from it. Every field carries a `describe()`; every object is strict.
 */
import { z } from "zod";

const text = z.string().min(1);

/** "250ms", "1s", "2m", "1h", "7d" -> milliseconds */
export const duration = z
  .string()
  .regex(/^\d+(\.\d+)?(ms|s|m|h|d)$/, "must be a duration such as 250ms, 10s, 5m, 1h or 7d")
  .transform((value) => durationMs(value));
/** "512MiB", "2GiB" -> bytes */
export const size = z
  .string()
  .regex(/^\d+(\.\d+)?(KiB|MiB|GiB|TiB)$/, "must be a size such as 512MiB or 2GiB")
  .transform((value) => sizeBytes(value));
const ipv4 = z.ipv4("must be an IPv4 address such as 10.77.10.11");
const cidr = z.cidrv4("must be an IPv4 subnet such as 10.77.10.0/24");
const port = z.int().min(1).max(65535);
const name = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,30}$/,
    "must be lower-case letters, digits and dashes, starting with a letter, at most 31 long",
  );
const identifier = z
  .string()
  .regex(
    /^[a-z_][a-z0-9_]{0,62}$/,
    "must be a PostgreSQL identifier: lower-case letters, digits and underscores",
  );
const absolutePath = z.string().regex(/^\/[^\0]*$/, "must be an absolute path");
const httpPath = z.string().regex(/^\/\S*$/, "must be an HTTP path starting with /");
const hostNames = z.array(name).min(1);

const hostSchema = z.strictObject({
  zone: name.describe("Failure domain (rack, room, availability zone) the host stands in"),
  address: ipv4.describe("Address in `network.subnet`"),
  memory: size
    .prefault("2GiB")
    .describe("Memory of the host; `check` compares it with what its engines need"),
});

const networkSchema = z.strictObject({
  subnet: cidr.describe("Subnet of all hosts and of the virtual address"),
  interface: text
    .default("host0")
    .describe("Name of the hosts' network interface in that subnet (the lab names it host0)"),
  timeSync: z
    .enum(["chrony", "timesyncd", "host", "none"])
    .default("host")
    .describe(
      "Who keeps the hosts' clocks: chrony or systemd-timesyncd on each, `host` when a hypervisor or the lab's machine does",
    ),
});

const objective = z.strictObject({
  recoveryTime: duration.describe("Longest outage that clients may see when one host of the tier is lost"),
});
const objectivesSchema = z.strictObject({
  entry: objective,
  app: objective,
  database: z.strictObject({
    recoveryTime: duration.describe("Longest time without acknowledged writes when the primary is lost"),
    dataLoss: z
      .enum(["none", "bounded"])
      .describe(
        "`none`: a write is acknowledged only when a second host has it (synchronous replication); `bounded`: asynchronous, what was in flight is lost at a failover",
      ),
  }),
  cache: objective.optional(),
});

const entrySchema = z.strictObject({
  engine: z.enum(["haproxy"]).default("haproxy"),
  hosts: hostNames.describe("Hosts that take the clients' traffic; the first is preferred for the address"),
  address: z.strictObject({
    kind: z.enum(["vip"]).default("vip").describe("`vip`: a virtual address moved by keepalived"),
    vip: ipv4.describe("Virtual address, inside `network.subnet`, no host's own"),
    routerId: z.int().min(1).max(255).default(51).describe("VRRP virtual router id, unique in the subnet"),
    advertInterval: duration
      .prefault("50ms")
      .describe("VRRP advertisement interval; a lost holder is noticed after about three"),
  }),
  domain: z
    .string()
    .regex(/^[a-z0-9.-]+$/)
    .optional()
    .describe("DNS name that clients use; in the generated certificate"),
  ports: z
    .strictObject({
      http: port.nullable().default(80).describe("Redirects to https; null: closed"),
      https: port.default(443),
    })
    .prefault({}),
  tls: z
    .discriminatedUnion("source", [
      z.strictObject({ source: z.literal("generated").describe("Issued by the topology's private CA") }),
      z.strictObject({
        source: z.literal("files"),
        certificate: text.describe(
          "PEM file with the certificate and its chain, relative to the topology file",
        ),
        key: text.describe("PEM file with the private key"),
      }),
    ])
    .prefault({ source: "generated" }),
  affinity: z
    .enum(["cookie", "source", "none"])
    .optional()
    .describe(
      "Sends a client to the same app host: by `cookie`, by `source` address (survives a failover through peers), or not",
    ),
});

const appSchema = z.strictObject({
  name: name.describe(
    "Name of the service; its files are in /opt/<name>, its backups in /var/backups/<name>",
  ),
  hosts: hostNames,
  package: text.describe(
    "Versioned archive (.tar.gz) with VERSION and scripts/, relative to the topology file",
  ),
  unit: text.describe("systemd unit (service or target) that starts the whole app on a host"),
  user: name.describe("System user the app runs as"),
  port: port.default(443).describe("HTTPS port of nginx on the app hosts"),
  static: absolutePath.optional().describe("Directory of the static UI files that nginx serves at /"),
  services: z
    .array(
      z.strictObject({
        name: name,
        prefix: z
          .string()
          .regex(/^\/[a-z0-9/-]*\/$/, "must start and end with /")
          .describe("URL prefix that nginx sends to the service"),
        port: port.describe("HTTPS port of the service on 127.0.0.1"),
      }),
    )
    .min(1)
    .describe("Microservices behind nginx, each an HTTPS REST API on the loopback"),
  health: z.strictObject({
    path: httpPath.describe("Says whether this host can serve: 200 only when it can"),
    method: z.enum(["GET", "HEAD", "OPTIONS"]).default("GET"),
    interval: duration.prefault("500ms"),
    timeout: duration.prefault("2s"),
    fall: z.int().min(1).max(20).default(2).describe("Failed checks that take a host out of the pool"),
    rise: z.int().min(1).max(20).default(2).describe("Good checks that put it back"),
  }),
  workload: z
    .strictObject({
      read: httpPath.describe("Idempotent GET that a drill sends, 200 when served"),
      write: httpPath.describe(
        'POST with body {"id","value"}; 2xx acknowledges that the write is durable. `{id}` is replaced',
      ),
      readBack: httpPath.describe("GET that returns the written value, or 404; `{id}` is replaced"),
    })
    .optional()
    .describe("What `holdfast drill` sends to the app; needed for drills"),
});

const databaseSchema = z.strictObject({
  engine: z.enum(["postgres"]).default("postgres"),
  version: z.int().min(15).max(18).default(15),
  hosts: hostNames.describe("Data hosts: one primary, the others replicas; Patroni decides which"),
  name: identifier.describe("Database that is created for the app"),
  user: identifier.describe("Role that owns it"),
  port: port
    .default(5432)
    .describe("Port on the data hosts, and of the database proxy on 127.0.0.1 of each app host"),
  maxConnections: z.int().min(20).max(5000).default(100),
  parameters: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .default({})
    .describe("More postgresql.conf parameters"),
});

const coordinationSchema = z.strictObject({
  engine: z.enum(["etcd"]).default("etcd"),
  hosts: hostNames.describe("etcd members: 3 or 5, spread over zones"),
});

const cacheSchema = z.strictObject({
  engine: z.enum(["redis"]).default("redis"),
  mode: z.enum(["cluster", "single"]).default("cluster"),
  hosts: hostNames.describe(
    "Each runs a master on `port` and a replica of another host's master on `port` + 1",
  ),
  port: port.default(6379),
  maxMemory: size.prefault("128MiB").describe("Per process"),
});

const storageSchema = z.strictObject({
  mount: absolutePath
    .default("/var/privx/audit")
    .describe("Where every app host sees the shared storage (the audit trail)"),
  source: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z
        .literal("lab")
        .describe("A directory that the lab shares between its machines: stands for a NAS"),
    }),
    z.strictObject({
      kind: z.literal("nfs"),
      server: text,
      export: absolutePath,
      options: text.default("vers=4.2,hard,timeo=50,retrans=2,_netdev"),
    }),
    z.strictObject({
      kind: z
        .literal("local")
        .describe("A directory on each host's own disk: not shared, lost with the host"),
    }),
  ]),
});

const backupSchema = z.strictObject({
  schedule: z.enum(["hourly", "daily", "weekly"]).default("daily"),
  keep: z.int().min(1).max(1000).default(14).describe("How many full backups are kept"),
  target: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("storage").describe("On the shared storage"),
      path: absolutePath.optional(),
    }),
    z.strictObject({
      kind: z.literal("local").describe("On the hosts' own disks only"),
      path: absolutePath.optional(),
    }),
    z.strictObject({ kind: z.literal("nfs"), server: text, export: absolutePath }),
  ]),
});

const acceptSchema = z.strictObject({
  code: z.string().regex(/^HF\d{3}$/, "must be a code of `holdfast check`, such as HF101"),
  reason: z.string().min(10, "must say why, in at least 10 characters"),
});

export const topologySchema = z.strictObject({
  holdfast: z.literal(1).describe("Version of this file's format"),
  name: z
    .string()
    .regex(
      /^[a-z][a-z0-9-]{0,22}$/,
      "must be lower-case letters, digits and dashes, starting with a letter, at most 23 long",
    ),
  provider: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("lab").describe("Local systemd machines on this Linux host") }),
  ]),
  network: networkSchema,
  zones: z.array(name).min(1).describe("Failure domains"),
  hosts: z.record(name, hostSchema),
  objectives: objectivesSchema,
  entry: entrySchema,
  app: appSchema,
  database: databaseSchema,
  coordination: coordinationSchema,
  cache: cacheSchema.optional(),
  storage: storageSchema.optional(),
  backup: backupSchema.optional(),
  accept: z
    .array(acceptSchema)
    .default([])
    .describe("Findings of `holdfast check` that the operator accepts, each with the reason"),
});

/** A topology as parsed: defaults filled in, durations in milliseconds, sizes in bytes. */
export type Topology = z.output<typeof topologySchema>;
export type TopologyHost = Topology["hosts"][string];

const durationUnits: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const sizeUnits: Record<string, number> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3, TiB: 1024 ** 4 };

function withUnit(value: string, units: Record<string, number>): number {
  const [, number = "0", unit = ""] = /^([\d.]+)([A-Za-z]+)$/.exec(value) ?? [];
  return Math.round(Number(number) * (units[unit] ?? Number.NaN));
}
/** "1.5s" -> 1500 */
export const durationMs = (value: string): number => withUnit(value, durationUnits);
/** "2GiB" -> 2147483648 */
export const sizeBytes = (value: string): number => withUnit(value, sizeUnits);
