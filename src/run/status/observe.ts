import { isService, type ServiceTopology, type Topology } from "../../core/topology/schema.ts";
import { observeApp, type AppStatus } from "../../engines/app.ts";
import { observeEntry, type EntryStatus } from "../../engines/entry.ts";
import { observeEtcd, type EtcdStatus } from "../../engines/etcd.ts";
import type { Observed } from "../../engines/observed.ts";
import { observePostgres, type PostgresStatus } from "../../engines/postgres.ts";
import { observeRedis, type RedisStatus } from "../../engines/redis.ts";
import { observeStorage, type StorageStatus } from "../../engines/storage.ts";
import type { Host } from "../../ports.ts";

/** What every tier's hosts were seen doing, at one moment. */
export interface ServiceStatus {
  readonly entry: readonly Observed<EntryStatus>[];
  readonly app: readonly Observed<AppStatus>[];
  readonly storage: readonly Observed<StorageStatus>[];
  readonly database: readonly Observed<PostgresStatus>[];
  readonly coordination: readonly Observed<EtcdStatus>[];
  readonly cache: readonly Observed<RedisStatus>[];
}

/** Asks all hosts at once; each question is bounded in time, a host that is down is an answer. */
export async function observeService(
  topology: Topology,
  hosts: ReadonlyMap<string, Host>,
): Promise<ServiceStatus> {
  const [entry, behind] = await Promise.all([
    askEach(topology.entry.hosts, hosts, (host) => observeEntry(host, topology)),
    isService(topology) ? observeBehind(topology, hosts) : nothingBehind,
  ]);
  return { entry, ...behind };
}

const nothingBehind = { app: [], storage: [], database: [], coordination: [], cache: [] };

async function observeBehind(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
): Promise<Omit<ServiceStatus, "entry">> {
  const { app, database, coordination, cache } = topology;
  const [apps, storages, databases, coordinations, caches] = await Promise.all([
    askEach(app.hosts, hosts, (host) => observeApp(host, topology)),
    askEach(topology.storage === undefined ? [] : app.hosts, hosts, (host) => observeStorage(host, topology)),
    askEach(database.hosts, hosts, (host) => observePostgres(host, topology)),
    askEach(coordination.hosts, hosts, (host) => observeEtcd(host, topology)),
    askEach(cache?.hosts ?? [], hosts, (host) => observeRedis(host, topology)),
  ]);
  return {
    app: apps,
    storage: storages,
    database: databases,
    coordination: coordinations,
    cache: caches,
  };
}

async function askEach<T>(
  names: readonly string[],
  hosts: ReadonlyMap<string, Host>,
  ask: (host: Host) => Promise<Observed<T> | null>,
): Promise<Observed<T>[]> {
  const answers = await Promise.all(
    names.map(async (name): Promise<Observed<T> | null> => {
      const host = hosts.get(name);
      return host === undefined ? { host: name, reachable: false, why: "it does not exist" } : ask(host);
    }),
  );
  return answers.filter((answer) => answer !== null);
}
