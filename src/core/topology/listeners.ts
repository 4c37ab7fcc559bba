/** Which ports the engines listen on, per host: for collisions. The numbers are ARCHITECTURE.md's. */
import type { Path } from "./problem.ts";
import type { Topology } from "./schema.ts";

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** What listens, e.g. "PostgreSQL". */
  readonly what: string;
  /** The key that sets the port; of the tier's hosts when the port is fixed. */
  readonly path: Path;
}

type Tier = readonly { readonly port: number; readonly what: string; readonly path: Path }[];

/** All listeners of the sections that are there. */
export function listeners(sections: Partial<Topology>): Listener[] {
  const tiers: readonly [readonly string[] | undefined, Tier][] = [
    [sections.entry?.hosts, entryPorts(sections)],
    [sections.app?.hosts, appPorts(sections)],
    [sections.database?.hosts, databasePorts(sections)],
    [sections.coordination?.hosts, coordinationPorts],
    [sections.cache?.hosts, cachePorts(sections)],
  ];
  const all = tiers.flatMap(([hosts = [], ports]) =>
    [...new Set(hosts)].flatMap((host) => ports.map((port) => ({ host, ...port }))),
  );
  // One HAProxy serves both its roles on a host, with one statistics port.
  const entryHosts = new Set(sections.entry?.hosts);
  const statistics = (sections.app?.hosts ?? [])
    .filter((host) => !entryHosts.has(host))
    .map((host) => ({ host, ...statisticsPort(["app", "hosts"]) }));
  return [...all, ...statistics];
}

const statisticsPort = (path: Path): Tier[number] => ({ port: 8404, what: "HAProxy's statistics", path });

function entryPorts({ entry }: Partial<Topology>): Tier {
  if (entry === undefined) return [];
  const { http, https } = entry.ports;
  return [
    { port: https, what: "the entry's https", path: ["entry", "ports", "https"] },
    ...(http === null ? [] : [{ port: http, what: "the entry's http", path: ["entry", "ports", "http"] }]),
    statisticsPort(["entry", "hosts"]),
    { port: 10_000, what: "HAProxy's peers", path: ["entry", "hosts"] },
  ];
}

function appPorts({ app, database }: Partial<Topology>): Tier {
  if (app === undefined) return [];
  const services = app.services.map((service, index) => ({
    port: service.port,
    what: `service ${service.name}`,
    path: ["app", "services", index, "port"],
  }));
  if (database === undefined) return [{ port: app.port, what: "nginx", path: ["app", "port"] }, ...services];
  return [
    { port: app.port, what: "nginx", path: ["app", "port"] },
    ...services,
    { port: database.port, what: "the database proxy", path: ["database", "port"] },
    { port: database.port + 1, what: "the read-only database proxy", path: ["database", "port"] },
  ];
}

function databasePorts({ database }: Partial<Topology>): Tier {
  if (database === undefined) return [];
  return [
    { port: database.port, what: "PostgreSQL", path: ["database", "port"] },
    { port: 8008, what: "Patroni", path: ["database", "hosts"] },
    { port: 8009, what: "Holdfast's agent", path: ["database", "hosts"] },
  ];
}

const coordinationPorts: Tier = [
  { port: 2379, what: "etcd", path: ["coordination", "hosts"] },
  { port: 2380, what: "etcd's peers", path: ["coordination", "hosts"] },
];

function cachePorts({ cache }: Partial<Topology>): Tier {
  if (cache === undefined) return [];
  const path = ["cache", "port"];
  const master = { port: cache.port, what: "Redis", path };
  if (cache.mode === "single") return [master];
  return [
    master,
    { port: cache.port + 1, what: "the Redis replica", path },
    { port: cache.port + 10_000, what: "the Redis cluster bus", path },
    { port: cache.port + 10_001, what: "the Redis replica's cluster bus", path },
  ];
}
