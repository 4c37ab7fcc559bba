/**
 * The topology: the operator's file, as a zod schema. The one source of its shape: the parser, the
 * JSON Schema for editors (docs/topology.schema.json) and the reference page (docs/topology.md) are
 * all derived from it. Every field carries a `describe()`; every object is strict.
 */
import { z } from "zod";
import { poolFits, poolSchema } from "./pool-schema.ts";

const text = z.string().min(1);
const durationForm = "must be a duration such as 250ms, 10s, 5m, 1h or 7d";
const sizeForm = "must be a size such as 512MiB or 2GiB";

/** "250ms", "1s", "2m", "1h", "7d" -> milliseconds */
export const duration = z
  .string(durationForm)
  .regex(/^\d{1,9}(\.\d{1,3})?(ms|s|m|h|d)$/, durationForm)
  .transform((value) => durationMs(value));
/** "512MiB", "2GiB" -> bytes */
export const size = z
  .string(sizeForm)
  .regex(/^\d{1,9}(\.\d{1,3})?(KiB|MiB|GiB|TiB)$/, sizeForm)
  .transform((value) => sizeBytes(value));
/** "0.5%" -> 0.005 */
const share = z
  .string("must be a share such as 1% or 0.5%")
  .regex(/^\d{1,2}(\.\d{1,3})?%$/, "must be a share below 100%, such as 1% or 0.5%")
  .transform((value) => Number(value.slice(0, -1)) / 100);
const positive = duration.refine((ms) => ms > 0, "must be longer than 0");
/** Shorter checks would be a load of their own. */
const checkTime = duration.refine((ms) => ms >= 10, "must be at least 10ms");
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
  interface: z
    .string()
    .regex(/^[a-z][a-z0-9_.-]{0,14}$/, "must be an interface name such as eth0, at most 15 long")
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
  recoveryTime: positive.describe("Longest outage that clients may see when one host of the tier is lost"),
});
const objectivesSchema = z.strictObject({
  entry: objective.describe("When the holder of the clients' address is lost"),
  app: objective
    .extend({
      errorRate: share
        .optional()
        .describe("Largest share of its requests that an upgraded host may fail; default 1%"),
      responseTime: positive
        .optional()
        .describe(
          "Longest mean response time of an upgraded host; default three times the one before, and 100ms",
        ),
    })
    .optional()
    .describe("When an app host is lost; required where there is an app"),
  database: z
    .strictObject({
      recoveryTime: positive.describe("Longest time without acknowledged writes when the primary is lost"),
      dataLoss: z
        .enum(["none", "bounded"])
        .describe(
          "`none`: a write is acknowledged only when a second host has it (synchronous replication); `bounded`: asynchronous, what was in flight is lost at a failover",
        ),
    })
    .optional()
    .describe("When the primary is lost; required where there is a database"),
  cache: objective.optional().describe("When a Redis master is lost"),
});

const vrrp = {
  routerId: z.int().min(1).max(255).default(51).describe("VRRP virtual router id, unique in the subnet"),
  // VRRPv3 counts in hundredths of a second, in 12 bits.
  advertInterval: duration
    .refine((ms) => ms % 10 === 0 && ms >= 10 && ms <= 40_950, "must be a multiple of 10ms, up to 40950ms")
    .prefault("50ms")
    .describe("VRRP advertisement interval; a lost holder is noticed after about three"),
};

const addressSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    // Optional inside the default: a file that names no kind means this one.
    kind: z
      .literal("vip")
      .optional()
      .default("vip")
      .describe("A virtual address of the subnet, moved by keepalived (the default)"),
    vip: ipv4.describe("Virtual address, inside `network.subnet`, no host's own"),
    ...vrrp,
  }),
  z.strictObject({
    kind: z
      .literal("elastic-ip")
      .describe("An Elastic IP of AWS: keepalived says who is master, the agent associates it through EC2"),
    publicAddress: ipv4.describe("The Elastic IP itself, as clients see it; outside `network.subnet`"),
    allocationId: z
      .string()
      .regex(
        /^eipalloc-([0-9a-f]{8}|[0-9a-f]{17})$/,
        "must be an allocation id such as eipalloc-0a1b2c3d4e5f67890",
      )
      .optional()
      .describe("Its allocation id; the lab makes one of its own"),
    region: z
      .string()
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "must be a region such as eu-north-1")
      .default("eu-north-1")
      .describe("AWS region of the hosts and of the address"),
    witness: z
      .enum(["tie-break", "required"])
      .default("tie-break")
      .describe(
        "What a lease in etcd decides, where the topology has `coordination`: between two VRRP masters (`tie-break`), or every move of the address, which without etcd stays where it is (`required`)",
      ),
    ...vrrp,
  }),
]);

const entrySchema = z.strictObject({
  engine: z
    .enum(["haproxy", "nginx"])
    .default("haproxy")
    .describe(
      "`haproxy`: balances the app hosts; `nginx`: an entry without an app tier, which serves what the operator configures in /etc/nginx/conf.d",
    ),
  hosts: hostNames.describe("Hosts that take the clients' traffic; the first is preferred for the address"),
  address: addressSchema.describe("How the clients' address moves between the entry hosts"),
  domain: z
    .string()
    .regex(
      /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/,
      "must be a DNS name such as access.example.com",
    )
    .optional()
    .describe("DNS name that clients use; in the generated certificate"),
  ports: z
    .strictObject({
      http: port.nullable().default(80).describe("Redirects to https; null: closed"),
      https: port.default(443).describe("Port of the service"),
    })
    .prefault({})
    .describe("Ports that clients use on the virtual address"),
  tls: z
    .discriminatedUnion("source", [
      z.strictObject({ source: z.literal("generated").describe("Issued by the topology's private CA") }),
      z.strictObject({
        source: z.literal("files").describe("The operator's own"),
        certificate: text.describe(
          "PEM file with the certificate and its chain, relative to the topology file",
        ),
        key: text.describe("PEM file with the private key, relative to the topology file"),
      }),
    ])
    .prefault({ source: "generated" })
    .describe("The certificate that clients see"),
  workload: z
    .strictObject({
      read: httpPath.default("/").describe("GET that a drill sends, 200 when served"),
    })
    .optional()
    .describe("What `holdfast drill` sends where there is no app tier; default `read: /`"),
  affinity: z
    .enum(["cookie", "source", "none"])
    .optional()
    .describe(
      "Sends a client to the same app host: by `cookie`, by `source` address (survives a failover through peers), or not",
    ),
});

const appSchema = z.strictObject({
  name: name.describe(
    "Name of the service; its files are in `/opt/<name>`, its backups in `/var/backups/<name>`",
  ),
  hosts: hostNames.describe("Hosts that run the app, all alike; with `pool` those that may"),
  pool: poolSchema
    .optional()
    .describe("How many of the hosts run, kept up by the controller; default: all of them, as they are"),
  package: text.describe(
    "Versioned archive (.tar.gz) with VERSION and scripts/, relative to the topology file",
  ),
  unit: z
    .string()
    .regex(
      /^[A-Za-z0-9@_.:-]+\.(service|target)$/,
      "must be a systemd unit such as app.service or app.target",
    )
    .describe("systemd unit (service or target) that starts the whole app on a host"),
  user: name.describe("System user the app runs as"),
  port: port.default(443).describe("HTTPS port of nginx on the app hosts"),
  static: absolutePath.optional().describe("Directory of the static UI files that nginx serves at /"),
  services: z
    .array(
      z.strictObject({
        name: name.describe("Name of the service, as in SERVICE_PORTS"),
        prefix: z
          .string()
          .regex(/^\/([a-z0-9/-]*\/)?$/, "must start and end with /")
          .describe("URL prefix that nginx sends to the service"),
        port: port.describe("HTTPS port of the service on 127.0.0.1"),
      }),
    )
    .min(1)
    .describe("Microservices behind nginx, each an HTTPS REST API on the loopback"),
  health: z
    .strictObject({
      path: httpPath.describe("Says whether this host can serve: 200 only when it can"),
      method: z.enum(["GET", "HEAD", "OPTIONS"]).default("GET").describe("HTTP method of the check"),
      interval: checkTime.prefault("500ms").describe("Time between two checks of a host"),
      timeout: checkTime.prefault("2s").describe("A check without an answer by then has failed"),
      fall: z.int().min(1).max(20).default(2).describe("Failed checks that take a host out of the pool"),
      rise: z.int().min(1).max(20).default(2).describe("Good checks that put it back"),
    })
    .describe("How the load balancers know which app hosts can serve"),
  workload: z
    .strictObject({
      read: httpPath.describe("Idempotent GET that a drill sends, 200 when served"),
      write: httpPath.describe(
        'POST with body {"id","value"}; 2xx acknowledges that the write is durable. `{id}` is replaced',
      ),
      readBack: httpPath
        .regex(/\{id\}/, "must contain {id}")
        .describe("GET that returns the written value, or 404; `{id}` is replaced"),
      list: httpPath
        .regex(/\{prefix\}.*\{after\}/, "must contain {prefix} and {after}")
        .optional()
        .describe(
          'GET of {"entries":[{"id","value"}],"next"}: what was written with ids that begin with `{prefix}`, after the id `{after}`, in pages. Makes reading back quick',
        ),
      trail: z
        .strictObject({
          write: httpPath.describe("POST as `write`, appended to the audit trail"),
          readBack: httpPath
            .regex(/\{id\}/, "must contain {id}")
            .describe("GET as `readBack`, from the audit trail"),
        })
        .optional()
        .describe("The audit trail: appended to, and read back"),
      cache: z
        .strictObject({
          change: httpPath
            .regex(/\{id\}/, "must contain {id}")
            .describe('PUT with body {"id","name"}: 2xx acknowledges the change. `{id}` is replaced'),
          shown: httpPath
            .regex(/\{id\}/, "must contain {id}")
            .describe("GET that answers {name} from the app host's cache, or 404; `{id}` is replaced"),
        })
        .optional()
        .describe("One object that app hosts cache: how long they show it out of date"),
      stream: httpPath
        .optional()
        .describe("GET whose answer goes on, with something every `{everyMs}` ms: a long-lived connection"),
      session: httpPath
        .regex(/\{everyMs\}/, "must contain {everyMs}")
        .optional()
        .describe(
          "As `stream`, over one database session that the app host keeps: a line for each query that was answered",
        ),
    })
    .optional()
    .describe("What `holdfast drill` sends to the app; needed for drills"),
});

const databaseSchema = z.strictObject({
  engine: z.enum(["postgres"]).default("postgres").describe("PostgreSQL, driven by Patroni"),
  version: z.int().min(15).max(18).default(15).describe("Major version"),
  hosts: hostNames.describe("Data hosts: one primary, the others replicas; Patroni decides which"),
  name: identifier.describe("Database that is created for the app"),
  user: identifier.describe("Role that owns it"),
  port: port
    .default(5432)
    .describe("Port on the data hosts, and of the database proxy on 127.0.0.1 of each app host"),
  maxConnections: z.int().min(20).max(5000).default(100).describe("PostgreSQL's max_connections"),
  parameters: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
    .default({})
    .describe("More postgresql.conf parameters"),
});

const coordinationSchema = z.strictObject({
  engine: z.enum(["etcd"]).default("etcd").describe("Where Patroni keeps who leads"),
  hosts: hostNames.describe("etcd members: 3 or 5, spread over zones"),
});

const cacheSchema = z.strictObject({
  engine: z.enum(["redis"]).default("redis").describe("Carries update triggers between the app hosts"),
  mode: z
    .enum(["cluster", "single"])
    .default("cluster")
    .describe("`cluster`: survives the loss of a host; `single`: the first host only"),
  hosts: hostNames.describe(
    "Each runs a master on `port` and a replica of another host's master on `port` + 1",
  ),
  port: port.default(6379).describe("TLS port of the masters; replicas use the next, the cluster bus +10000"),
  maxMemory: size
    // 0 would mean no limit.
    .refine((bytes) => bytes >= 16 * 1024 ** 2, "must be at least 16MiB")
    .prefault("128MiB")
    .describe("Redis's maxmemory, per process"),
});

const storageSchema = z.strictObject({
  mount: absolutePath
    .default("/var/privx/audit")
    .describe("Where every app host sees the shared storage (the audit trail)"),
  source: z
    .discriminatedUnion("kind", [
      z.strictObject({
        kind: z
          .literal("lab")
          .describe("A directory that the lab shares between its machines: stands for a NAS"),
      }),
      z.strictObject({
        kind: z.literal("nfs").describe("A NAS or another NFS server"),
        server: text.describe("Name or address of the server"),
        export: absolutePath.describe("Directory that the server exports"),
        options: text.default("vers=4.2,hard,timeo=50,retrans=2,_netdev").describe("Mount options"),
      }),
      z.strictObject({
        kind: z
          .literal("local")
          .describe("A directory on each host's own disk: not shared, lost with the host"),
      }),
    ])
    .describe("What is mounted there"),
});

const backupSchema = z.strictObject({
  schedule: z
    .enum(["hourly", "daily", "weekly"])
    .default("daily")
    .describe("How often a full backup is made; the database's WAL is archived all the time"),
  keep: z.int().min(1).max(1000).default(14).describe("How many full backups are kept"),
  target: z
    .discriminatedUnion("kind", [
      z.strictObject({
        kind: z.literal("storage").describe("In the directory `backups` of the shared storage"),
      }),
      z.strictObject({
        kind: z
          .literal("local")
          .describe("On the hosts' own disks: the app hosts only, and lost with them; not the database"),
      }),
      z.strictObject({
        kind: z.literal("nfs").describe("On a NAS or another NFS server"),
        server: text.describe("Name or address of the server"),
        export: absolutePath.describe("Directory that the server exports"),
      }),
    ])
    .describe("Where backups are kept; every app and database host has it at `/var/backups/<app>`"),
});

const acceptSchema = z.strictObject({
  code: z
    .string()
    .regex(/^HF\d{3}$/, "must be a code of `holdfast check`, such as HF101")
    .describe("Code of the finding"),
  reason: z.string().min(10, "must say why, in at least 10 characters").describe("Why it is acceptable here"),
});

export const topologySchema = z.strictObject({
  holdfast: z.literal(1).describe("Version of this file's format"),
  name: z
    .string()
    .regex(
      /^[a-z][a-z0-9-]{0,22}$/,
      "must be lower-case letters, digits and dashes, starting with a letter, at most 23 long",
    )
    .describe("Name of the topology: of its lab, state and certificates"),
  provider: z
    .discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("lab").describe("Local systemd machines on this Linux host") }),
    ])
    .describe("Where the hosts are"),
  network: networkSchema.describe("The network of the hosts"),
  zones: z.array(name).min(1).describe("Failure domains"),
  hosts: z.record(name, hostSchema).describe("The hosts, by name"),
  objectives: objectivesSchema.describe("What a fault may cost; `holdfast drill` judges against it"),
  entry: entrySchema.describe("Load balancers or web servers that share the clients' address"),
  app: appSchema
    .refine(poolFits.check, poolFits.message)
    .optional()
    .describe(
      "The service itself. `app`, `database` and `coordination` come together; without them the entry stands alone",
    ),
  database: databaseSchema.optional().describe("PostgreSQL with automatic failover"),
  coordination: coordinationSchema.optional().describe("The quorum that decides who is the primary"),
  cache: cacheSchema.optional().describe("Redis, for update triggers between the app hosts"),
  storage: storageSchema.optional().describe("Storage that all app hosts share (the audit trail)"),
  backup: backupSchema.optional().describe("Backups of the app hosts and of the database"),
  accept: z
    .array(acceptSchema)
    .default([])
    .describe("Findings of `holdfast check` that the operator accepts, each with the reason"),
});

/** A topology as parsed: defaults filled in, durations in milliseconds, sizes in bytes. */
export type Topology = z.output<typeof topologySchema> & {
  /** All hosts that may exist, where some do not now (`presentTopology`). */
  readonly candidates?: {
    readonly hosts: z.output<typeof topologySchema>["hosts"];
    readonly app: readonly string[];
  };
};
export type TopologyHost = Topology["hosts"][string];

/** A topology of a whole service: what stands behind the entry is Holdfast's too. */
export type ServiceTopology = Topology &
  Present<Topology, "app" | "database" | "coordination"> & {
    readonly objectives: Present<Topology["objectives"], "app" | "database">;
  };
type Present<T, K extends keyof T> = { readonly [Key in K]-?: NonNullable<T[Key]> };

/** Whether Holdfast runs what is behind the entry. The parser refuses a part of a service. */
export const isService = (topology: Topology): topology is ServiceTopology => topology.app !== undefined;

/** The address that clients use. */
export const clientAddress = ({ entry }: Pick<Topology, "entry">): string =>
  entry.address.kind === "vip" ? entry.address.vip : entry.address.publicAddress;

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
