/** etcd: the quorum that Patroni elects its primary through. */
import { Phase, type DesiredFile } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { serviceEngine, type HostPart, type ServiceContext } from "../engine.ts";
import { addressOf } from "../address.ts";
import { textFile } from "../base/files.ts";
import { tlsParts, tlsPaths } from "../tls.ts";
import { clientScript, prepareScript } from "./scripts.ts";

export const etcdPaths = {
  data: "/var/lib/etcd/holdfast",
  environment: "/etc/default/etcd",
  dropIn: "/etc/systemd/system/etcd.service.d/holdfast.conf",
  /** `etcdctl` with this host's certificate; for root. */
  client: "/etc/holdfast/etcd/etcdctl",
  prepare: "/etc/holdfast/etcd/prepare",
} as const;

const clientPort = 2379;
const peerPort = 2380;

export const etcd = serviceEngine({
  name: "etcd",
  secrets: () => [],
  render: (context) => context.topology.coordination.hosts.map((host) => renderMember(context, host)),
});

function renderMember(context: ServiceContext, host: string): HostPart {
  const { topology } = context;
  const tls = tlsParts(context, host, "etcd", "etcd");
  const files: readonly DesiredFile[] = [
    ...tls.files,
    textFile(etcdPaths.environment, environment(topology, host)),
    textFile(etcdPaths.dropIn, dropIn),
    textFile(etcdPaths.client, clientScript, { mode: 0o755 }),
    textFile(etcdPaths.prepare, prepareScript(topology, host), { mode: 0o755 }),
  ];
  return {
    host,
    packages: ["etcd-server", "etcd-client", "curl"],
    directories: [
      ...tls.directories,
      { path: "/etc/holdfast/etcd", mode: 0o755, owner: "root:root" },
      { path: "/var/lib/etcd", mode: 0o755, owner: "etcd:etcd" },
      { path: etcdPaths.data, mode: 0o700, owner: "etcd:etcd" },
    ],
    files,
    units: [
      {
        name: "etcd.service",
        phase: Phase.coordination,
        state: "running",
        files: files
          .map((file) => file.path)
          .filter((path) => path !== etcdPaths.client && path !== etcdPaths.prepare),
        onChange: "restart",
        // A linearizable read: true only when a quorum answers. All members start in the same phase.
        ready: [
          etcdPaths.client,
          `--endpoints=https://${addressOf(topology, host)}:${clientPort}`,
          "--command-timeout=3s",
          "endpoint",
          "health",
        ],
        serial: "etcd",
      },
    ],
  };
}

function environment(topology: ServiceTopology, host: string): string {
  const address = addressOf(topology, host);
  const tls = tlsPaths("etcd");
  const cluster = topology.coordination.hosts
    .map((member) => `${member}=https://${addressOf(topology, member)}:${peerPort}`)
    .join(",");
  return `# Managed by Holdfast: changes made here are undone by \`holdfast up\`.
ETCD_NAME=${host}
ETCD_DATA_DIR=${etcdPaths.data}
ETCD_LISTEN_CLIENT_URLS=https://${address}:${clientPort},https://127.0.0.1:${clientPort}
ETCD_ADVERTISE_CLIENT_URLS=https://${address}:${clientPort}
ETCD_LISTEN_PEER_URLS=https://${address}:${peerPort}
ETCD_INITIAL_ADVERTISE_PEER_URLS=https://${address}:${peerPort}
ETCD_INITIAL_CLUSTER=${cluster}
# Read only while the data directory is empty; ${etcdPaths.prepare} overrides the state
# for a member that lost it.
ETCD_INITIAL_CLUSTER_STATE=new
ETCD_INITIAL_CLUSTER_TOKEN=holdfast-${topology.name}

# Only holders of a certificate of this topology's CA get in.
ETCD_CLIENT_CERT_AUTH=true
ETCD_TRUSTED_CA_FILE=${tls.ca}
ETCD_CERT_FILE=${tls.certificate}
ETCD_KEY_FILE=${tls.key}
ETCD_PEER_CLIENT_CERT_AUTH=true
ETCD_PEER_TRUSTED_CA_FILE=${tls.ca}
ETCD_PEER_CERT_FILE=${tls.certificate}
ETCD_PEER_KEY_FILE=${tls.key}

# A member that comes back must not force an election: Patroni's primary would demote itself.
# Off by default in 3.4.
ETCD_PRE_VOTE=true
# Milliseconds. The smallest lease that etcd grants is 1.5 elections, rounded up: 2 s.
ETCD_HEARTBEAT_INTERVAL=100
ETCD_ELECTION_TIMEOUT=1000

# Patroni keeps a few kilobytes and rewrites them every second: drop old revisions hourly.
ETCD_AUTO_COMPACTION_MODE=periodic
ETCD_AUTO_COMPACTION_RETENTION=1h
# 1 GiB. Beyond it etcd takes no more writes.
ETCD_QUOTA_BACKEND_BYTES=1073741824
# Log entries between snapshots. The default of 100000 keeps that many in memory.
ETCD_SNAPSHOT_COUNT=10000
ETCD_LOGGER=zap
ETCD_LOG_LEVEL=warn
`;
}

const dropIn = `# Managed by Holdfast.
[Unit]
# Never give up on a member: it rejoins as soon as it can.
StartLimitIntervalSec=0

[Service]
# Type=notify would hold \`systemctl start\` until a quorum is there; readiness is asked for separately.
Type=exec
RuntimeDirectory=holdfast-etcd
EnvironmentFile=-/run/holdfast-etcd/environment
# As root (+): it reads the key to ask the other members.
ExecStartPre=+${etcdPaths.prepare}
Restart=always
RestartSec=1s
# Killed last when memory runs out: the database elects its primary through it.
OOMScoreAdjust=-900
`;
