import { z } from "zod";

const milliseconds = z.int().min(1);
const port = z.int().min(1).max(65_535);

const entrySchema = z.strictObject({
  probe: z.strictObject({
    url: z.url(),
    intervalMs: milliseconds,
    timeoutMs: milliseconds,
    /** Probes without an answer that make a fault. */
    fall: z.int().min(1),
    /** The proxy's unit: systemd says whether one that is gone comes back. */
    unit: z.string(),
    /** How long a proxy that is started again may take to listen. */
    startMs: milliseconds,
    rise: z.int().min(1),
  }),
  healthFile: z.string(),
  /** The virtual address that keepalived puts on an interface; absent where it puts none (an Elastic IP). */
  address: z.strictObject({ vip: z.ipv4(), interface: z.string() }).optional(),
  /** How long no keepalived process may live before its address is removed. */
  keepalived: z.strictObject({ deadAfterMs: milliseconds }),
  /** The UDP echo on the service's address, for who asks from these addresses (`a.b.c.d/n`). */
  echo: z.strictObject({ address: z.ipv4(), port, clients: z.cidrv4() }),
});

const allocationId = z
  .string()
  .regex(/^eipalloc-[0-9a-f]+$/, "eipalloc-…, as `aws ec2 describe-addresses` shows it");
const interfaceId = z.string().regex(/^eni-[0-9a-f]+$/, "eni-…");

/** One address that moves, and where on this host it goes: the instance, or one of its interfaces. */
const elasticIpSchema = z.strictObject({
  allocationId,
  /** Default: this instance, whose primary interface's primary private address gets it. */
  networkInterfaceId: interfaceId.optional(),
  /** A secondary private address of that interface. Default: its primary one. */
  privateIpAddress: z.ipv4().optional(),
});

/** The lease in etcd that says which of two VRRP masters counts. */
const witnessSchema = z.strictObject({
  self: z.string(),
  endpoints: z.array(z.url()).min(1),
  ca: z.string(),
  certificate: z.string(),
  key: z.string(),
  leaseKey: z.string(),
  /** Whole: etcd counts in them. */
  ttlSeconds: z.int().min(2).max(60),
  /** No address is taken without it; else it only breaks ties. */
  required: z.boolean(),
});

/** The Elastic IP of a pair of hosts: kept on the one that keepalived says is master. */
export const addressSchema = z.strictObject({
  region: z.string().min(1),
  /** Where EC2 answers; default: AWS's own endpoint of the region. */
  endpoint: z.url().optional(),
  addresses: z.array(elasticIpSchema).min(1),
  /** The other hosts of the pair. Without an address, EC2 is asked for the instance of this private DNS name. */
  peers: z.array(z.strictObject({ name: z.string(), address: z.ipv4().optional() })).default([]),
  /** UDP, between the hosts of the pair only: agents ask each other's role there. */
  peerPort: port.default(8406),
  /**
   * Whether a holder that VRRP does not hear still serves is asked by connecting to this port of the
   * address. Absent: 443 or else 80, whichever somebody listens on here.
   */
  probePort: port.optional(),
  vrrp: z.strictObject({
    /** Of keepalived.conf; empty: the only one. */
    instance: z.string().default(""),
    /** keepalived's own `vrrp_notify_fifo`; absent where it calls nginx-ha-notify only. */
    fifo: z.string().optional(),
  }),
  /** Absent where the topology has no etcd. */
  witness: witnessSchema.optional(),
  /** Where nginx-ha-notify hands its transition to a running agent, in the same words. */
  notifyFifo: z.string().default("/run/holdfast/nginx-ha-notify.fifo"),
  /** The entry loop's verdict on the proxy (0 is healthy). Absent: keepalived's role alone counts. */
  healthFile: z.string().optional(),
  /** For a second `track_file` and nginx-ha-check: 0 while this host can move the address, 1 when it cannot. */
  fitFile: z.string().default("/run/holdfast/address-fit"),
  /** For a weighted `track_file`: 1 while an address is known to be elsewhere. Absent: not written. */
  awayFile: z.string().optional(),
  stateFile: z.string().default("/run/nginx-ha-keepalived.state"),
  /** For `holdfast address status`: what the agent knows, as JSON. */
  statusFile: z.string().default("/run/holdfast/address.json"),
});

/** A host of the database tier: its part in fast failover. */
const databaseSchema = z.strictObject({
  self: z.string(),
  /** Every voter, this host too. `data`: it runs PostgreSQL. */
  members: z.array(z.strictObject({ name: z.string(), address: z.ipv4(), data: z.boolean() })).min(3),
  /** UDP, between the members. */
  heartbeatPort: port,
  /** The secret that authenticates heartbeats; only root may read it. */
  keyFile: z.string(),
  etcd: z.strictObject({
    endpoints: z.array(z.url()).min(1),
    ca: z.string(),
    certificate: z.string(),
    key: z.string(),
    leaderKey: z.string(),
    recordPrefix: z.string(),
  }),
  /** Absent on a witness. */
  postgres: z
    .strictObject({
      port,
      socketDirectory: z.string(),
      dataDirectory: z.string(),
      patroniPort: port,
      /** Loaded to make the gate; there as long as `marker` is. */
      gateFile: z.string(),
      marker: z.string(),
    })
    .optional(),
  fenceFile: z.string(),
  /** Where the database proxies ask whether this host is the primary, and `holdfast status` for more. */
  healthPort: port,
});

/**
 * /etc/holdfast/agent.json: what the agent of a host does, one section for each loop.
 * Rendered and read by the same version.
 */
export const agentConfigSchema = z.strictObject({
  entry: entrySchema.optional(),
  address: addressSchema.optional(),
  database: databaseSchema.optional(),
});

/** As it is rendered: what has a default may be left out. */
export type AgentConfigFile = z.input<typeof agentConfigSchema>;
export type AgentConfig = z.output<typeof agentConfigSchema>;
export type EntryConfig = z.output<typeof entrySchema>;
export type AddressConfig = z.output<typeof addressSchema>;
export type WitnessConfig = z.output<typeof witnessSchema>;
export type DatabaseConfig = z.output<typeof databaseSchema>;
