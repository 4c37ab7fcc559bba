/** patroni.yml and the unit that runs it. */
import type { ServiceTopology } from "../../topology/schema.ts";
import { backupsRoot } from "../backup/place.ts";
import type { ServiceContext } from "../engine.ts";
import { everyAppHost } from "../../topology/pool.ts";
import { addressOf } from "../address.ts";
import { archivesWal } from "../pgbackrest/archive.ts";
import { tlsPaths } from "../tls.ts";
import { dynamicConfig } from "./dynamic.ts";
import { binDirectory, dataDirectory, postgresPaths, restPort } from "./paths.ts";

const tls = tlsPaths("postgres");

/** JSON is YAML: quoting is right whatever a value holds. */
const q = (value: unknown): string => JSON.stringify(value);

export function patroniConfig(context: ServiceContext, host: string): string {
  const { topology, secret } = context;
  const { database } = topology;
  const address = addressOf(topology, host);
  const peers = database.hosts.map((peer) => addressOf(topology, peer));
  const etcd = topology.coordination.hosts.map((member) => `${addressOf(topology, member)}:2379`);
  return `# Managed by Holdfast: changes made here are undone by \`holdfast up\`.
scope: ${topology.name}
namespace: /holdfast/
name: ${host}

log:
  level: INFO
  format: "%(levelname)s: %(message)s" # the journal has the time
  deduplicate_heartbeat_logs: true # one line per change, not one per second

restapi:
  listen: ${address}:${restPort}
  connect_address: ${address}:${restPort}
  certfile: ${tls.certificate}
  keyfile: ${tls.key}
  cafile: ${tls.ca}
  # Health checks need no certificate. Whatever changes something needs one of this topology's CA,
  # and must come from a database host.
  verify_client: optional
  allowlist: ${q(peers)}
  allowlist_include_members: true

ctl:
  cacert: ${tls.ca}
  certfile: ${tls.certificate}
  keyfile: ${tls.key}

etcd3:
  hosts: ${q(etcd)}
  protocol: https
  cacert: ${tls.ca}
  cert: ${tls.certificate}
  key: ${tls.key}

# Read once, when the cluster is made. Later changes reach etcd by ${postgresPaths.cluster}.
bootstrap:
  dcs: ${indent(JSON.stringify(dynamicConfig(topology), null, 2), 4)}
  initdb:
    - encoding: UTF8
    - locale: C.UTF-8
    - auth-local: peer
    - auth-host: scram-sha-256
    - data-checksums

postgresql:
  listen: ${address},127.0.0.1:${database.port}
  connect_address: ${address}:${database.port}
  data_dir: ${dataDirectory(database.version)}
  bin_dir: ${binDirectory(database.version)}
  pgpass: /run/patroni/pgpass
  use_unix_socket: true
  use_unix_socket_repl: true
  authentication:
    superuser: { username: postgres, password: ${q(secret("postgres-superuser"))}, ${verifyFull} }
    replication: { username: replicator, password: ${q(secret("postgres-replication"))}, ${verifyFull} }
    rewind: { username: rewinder, password: ${q(secret("postgres-rewind"))}, ${verifyFull} }
  parameters:
    unix_socket_directories: /run/postgresql
    ssl: "on"
    ssl_ca_file: ${tls.ca}
    ssl_cert_file: ${tls.certificate}
    ssl_key_file: ${tls.key}
    ssl_min_protocol_version: TLSv1.2
  pg_hba:
${accessRules(context)
  .map((rule) => `    - ${rule}`)
  .join("\n")}
  # Holdfast's agent, which is root, asks as the superuser, for whom connections are kept.
  pg_ident:
    - holdfast postgres postgres
    - holdfast root postgres
  create_replica_methods: [basebackup]
  basebackup:
    checkpoint: fast
  # A host whose data cannot be rewound is cloned anew from the primary, without anybody's help.
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true

watchdog:
  mode: "off" # many machines have no /dev/watchdog
`;
}

const verifyFull = `sslmode: verify-full, sslrootcert: ${tls.ca}`;

/** Who may connect; nobody does without TLS. Rules are tried in order and what matches none is refused. */
function accessRules({ topology }: ServiceContext): string[] {
  const { database } = topology;
  const addresses = (hosts: readonly string[]): string[] =>
    hosts.map((host) => `${addressOf(topology, host)}/32`);
  const data = addresses(database.hosts);
  return [
    "local all postgres peer map=holdfast",
    // Patroni asks its own PostgreSQL for its timeline.
    "local replication replicator scram-sha-256",
    ...data.map((peer) => `hostssl replication replicator ${peer} scram-sha-256`),
    ...data.map((peer) => `hostssl postgres rewinder ${peer} scram-sha-256`),
    ...data.map((peer) => `hostssl all postgres ${peer} scram-sha-256`),
    ...[...new Set([...addresses(everyAppHost(topology)), ...data])].map(
      (client) => `hostssl ${database.name} ${database.user} ${client} scram-sha-256`,
    ),
  ];
}

function indent(text: string, spaces: number): string {
  return text.replaceAll("\n", `\n${" ".repeat(spaces)}`);
}

export const patroniUnit = (topology: ServiceTopology): string => `# Managed by Holdfast.
[Unit]
Description=Patroni: high availability for PostgreSQL
Documentation=https://patroni.readthedocs.io/
Wants=network-online.target
After=network-online.target etcd.service
# Never give up: a host that cannot run PostgreSQL now may be able to in a minute.
StartLimitIntervalSec=0

[Service]
Type=simple
User=postgres
Group=postgres
ExecStart=${postgresPaths.patroni} ${postgresPaths.config}
ExecReload=/bin/kill -s HUP $MAINPID
Restart=always
RestartSec=1s
# Only Patroni gets the signal, and it stops PostgreSQL in order. If Patroni is killed, PostgreSQL
# goes on and the next Patroni adopts it.
KillMode=process
TimeoutStopSec=60s
RuntimeDirectory=patroni
RuntimeDirectoryMode=0700
# Memory shortage must not take the database first; its backends get the normal score back.
OOMScoreAdjust=-900
Environment=PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj PG_OOM_ADJUST_VALUE=0
LimitNOFILE=65536

NoNewPrivileges=true
ProtectSystem=strict
ReadWritePaths=/var/lib/postgresql -/run/postgresql${archivesWal(topology) ? ` -${backupsRoot}` : ""}
ProtectHome=true
PrivateTmp=true
ProtectKernelTunables=true
ProtectKernelModules=true
ProtectControlGroups=true
RestrictSUIDSGID=true
RestrictRealtime=true
LockPersonality=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK

[Install]
WantedBy=multi-user.target
`;
