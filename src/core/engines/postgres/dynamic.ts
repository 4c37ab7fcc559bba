import type { ServiceTopology } from "../../topology/schema.ts";
import { archiveParameters } from "../pgbackrest/archive.ts";

type Setting = string | number | boolean;

/** What Patroni keeps in etcd for the whole cluster: the same on every host, changed by PATCH /config. */
export interface DynamicConfig {
  readonly [key: string]: Setting | { readonly [key: string]: Setting | { readonly [key: string]: Setting } };
}

const mebibyte = 1024 ** 2;

/** Patroni's dynamic configuration; every number here decides how long a failover takes or what it may lose. */
export function dynamicConfig(topology: ServiceTopology): DynamicConfig {
  const { database, objectives } = topology;
  const synchronous = objectives.database.dataLoss === "none";
  return {
    // Seconds. The least that Patroni 4.1 accepts: a silent primary's key expires after `ttl`.
    ttl: 20,
    loop_wait: 1,
    retry_timeout: 3,
    // A crashed primary hands over at once instead of trying to start again first.
    primary_start_timeout: 0,
    // Seconds until a shutdown that hangs is given up, so that a demotion always ends.
    primary_stop_timeout: 10,
    // Asynchronous only: a replica further behind (bytes) is not promoted.
    maximum_lag_on_failover: mebibyte,
    // etcd away, every member reachable: the primary goes on. A member that was asked this does not
    // run for primary for `ttl`, so there is never a second one.
    failsafe_mode: true,
    // With two standbys or more, any one of them is enough: a slow or lost one holds no write up.
    synchronous_mode: synchronous && database.hosts.length > 2 ? "quorum" : synchronous,
    // With a second standby, writes wait rather than be acknowledged by one host only. With one
    // standby its loss must not stop the service: the primary then goes on alone, `status` says so,
    // and Patroni promotes nobody who lacks what was acknowledged meanwhile.
    synchronous_mode_strict: synchronous && database.hosts.length > 2,
    postgresql: {
      use_pg_rewind: true,
      use_slots: true,
      parameters: parameters(topology),
    },
  };
}

function parameters(topology: ServiceTopology): Record<string, Setting> {
  const { database, hosts } = topology;
  const memory = Math.min(...database.hosts.map((host) => hosts[host]?.memory ?? 0));
  return {
    max_connections: database.maxConnections,
    // A sixteenth of the smallest host's memory: etcd and Redis live there too.
    shared_buffers: `${clamp(memory / 16 / mebibyte, 64, 8192)}MB`,
    effective_cache_size: `${clamp(memory / 2 / mebibyte, 128, 65_536)}MB`,
    wal_level: "replica",
    hot_standby: true,
    // pg_rewind needs hints in the log (or checksums; both, so that either may be turned off).
    wal_log_hints: true,
    wal_compression: true,
    max_wal_senders: 10,
    max_replication_slots: 10,
    // A dead peer is noticed after this, not after the default minute.
    wal_sender_timeout: "5s",
    wal_receiver_timeout: "5s",
    wal_receiver_status_interval: "1s",
    // Kept for a host that comes back without its slot, and at most kept for one that stays away:
    // beyond it the host is cloned anew instead of the primary's disk filling up.
    wal_keep_size: "128MB",
    max_wal_size: "1GB",
    max_slot_wal_keep_size: "4GB",
    // Connections of clients whose host died are closed after about 15 s instead of 2 h.
    tcp_keepalives_idle: 5,
    tcp_keepalives_interval: 5,
    tcp_keepalives_count: 2,
    password_encryption: "scram-sha-256",
    log_checkpoints: true,
    log_lock_waits: true,
    log_line_prefix: "[%p] %q%u@%d ",
    ...archiveParameters(topology),
    ...database.parameters,
  };
}

const clamp = (value: number, least: number, most: number): number =>
  Math.floor(Math.max(least, Math.min(most, value)));
