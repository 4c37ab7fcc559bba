/**
 * How much memory each host's engines need. Idle sizes marked "measured" are resident sizes of
 * Debian 12's packages; the rest of each figure is room for the load it names.
 */
import { dynamicConfig } from "../engines/postgres/dynamic.ts";
import { isService, type ServiceTopology, type Topology } from "../topology/schema.ts";

const MiB = 1024 ** 2;

export interface Need {
  readonly what: string;
  /** Bytes. */
  readonly size: number;
}

const figures = {
  // systemd, journald and dbus: 12 MiB measured in a lab machine; the rest for the page cache.
  system: 96 * MiB,
  // Node's resident size at a small heap.
  agent: 80 * MiB,
  // 20 MiB measured; some 40 KiB per TLS connection (two 16 KiB buffers and the session): 2,500.
  haproxy: 128 * MiB,
  // A 16 KiB TLS buffer and proxy buffers of 8 × 8 KiB per request: some 600 at once.
  nginx: 64 * MiB,
  keepalived: 16 * MiB,
  // 24 MiB measured; its database is mapped into memory, and Raft's log of 10,000 entries is kept.
  etcd: 192 * MiB,
  // A Python process with its REST threads.
  patroni: 96 * MiB,
  // Three autovacuum workers with the default maintenance_work_mem of 64 MiB.
  autovacuum: 192 * MiB,
  // PostgreSQL's default work_mem of 4 MiB and as much for the backend's own caches.
  connection: 8 * MiB,
  // 12 MiB measured without data; fragmentation adds up to a quarter of maxmemory.
  redis: 12 * MiB,
  redisFragmentation: 1.25,
  // One runtime (Node, Java, Python) per service; the app's own manual knows better.
  service: 128 * MiB,
} as const;

/** What the engines on one host need, largest first. */
export function memoryNeeds(topology: Topology, host: string): Need[] {
  const needs: Need[] = [
    { what: "system", size: figures.system },
    ...entryNeeds(topology, host),
    ...(isService(topology) ? serviceNeeds(topology, host) : []),
  ];
  return needs.sort((a, b) => b.size - a.size);
}

function entryNeeds({ entry }: Topology, host: string): Need[] {
  if (!entry.hosts.includes(host)) return [];
  const proxy =
    entry.engine === "haproxy"
      ? { what: "HAProxy", size: figures.haproxy }
      : { what: "nginx", size: figures.nginx };
  return [proxy, { what: "keepalived and agent", size: figures.keepalived + figures.agent }];
}

function serviceNeeds(topology: ServiceTopology, host: string): Need[] {
  const { entry, app, database, coordination, cache } = topology;
  const needs: Need[] = [];
  if (app.hosts.includes(host)) {
    if (!entry.hosts.includes(host)) needs.push({ what: "HAProxy", size: figures.haproxy });
    const count = app.services.length;
    needs.push({ what: "nginx", size: figures.nginx });
    needs.push({ what: `${count} service${count === 1 ? "" : "s"}`, size: count * figures.service });
  }
  if (coordination.hosts.includes(host)) needs.push({ what: "etcd", size: figures.etcd });
  if (database.hosts.includes(host)) {
    needs.push({ what: "Patroni", size: figures.patroni });
    needs.push({ what: "PostgreSQL", size: sharedBuffers(topology) + figures.autovacuum });
    needs.push({ what: `${database.maxConnections} connections`, size: connectionMemory(topology) });
  }
  if (cache?.hosts.includes(host) === true) {
    const processes = cache.mode === "cluster" ? 2 : 1;
    needs.push({
      what: "Redis",
      size: processes * (figures.redis + cache.maxMemory * figures.redisFragmentation),
    });
  }
  return needs;
}

/** Bytes that all of `database.maxConnections` take when they are busy. */
export const connectionMemory = ({ database }: ServiceTopology): number =>
  database.maxConnections * figures.connection;

/** Bytes of shared_buffers as rendered, or as the topology's own parameter says. */
function sharedBuffers(topology: ServiceTopology): number {
  const { postgresql } = dynamicConfig(topology);
  const parameters = typeof postgresql === "object" ? postgresql["parameters"] : undefined;
  const setting = typeof parameters === "object" ? parameters["shared_buffers"] : undefined;
  return postgresBytes(String(setting)) ?? 128 * MiB;
}

/** "256MB" -> bytes; a bare number counts pages of 8 KiB; undefined when it is neither. */
export function postgresBytes(text: string): number | undefined {
  const [, number, unit = "page"] = /^\s*(\d+)\s*(B|kB|MB|GB|TB)?\s*$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  const units: Record<string, number> = { B: 1, kB: 1024, MB: MiB, GB: 1024 * MiB, TB: MiB ** 2, page: 8192 };
  return Number(number) * (units[unit] ?? 1);
}
