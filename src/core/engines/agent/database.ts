/** The agent's part on the database tier's hosts: fast, fenced failover. Absent where nobody could vote. */
import { leaseMembers } from "../../decide/lease/settings.ts";
import { Phase, type DesiredFile } from "../../plan/desired.ts";
import { isService, type ServiceTopology, type Topology } from "../../topology/schema.ts";
import { addressOf } from "../address.ts";
import { secretFile, textFile } from "../base/files.ts";
import type { HostPart, RenderContext } from "../engine.ts";
import { dataDirectory, restPort } from "../postgres/paths.ts";
import { tlsParts, tlsPaths } from "../tls.ts";
import type { AgentConfigFile } from "./config.ts";
import { etcdEndpoints } from "./etcd.ts";
import { fenceFile, fenceTable, gateFile, gateTable } from "./gate.ts";

export const bundlePath = "/opt/holdfast/holdfast.cjs";

/** UDP between the agents, TCP for who asks an agent. */
export const agentPort = 8009;
export const agentKey = "agent-database";

const etcdPort = 2379;
const directory = "/etc/holdfast/database";
const paths = {
  key: `${directory}/key`,
  gate: `${directory}/gate.nft`,
  fence: `${directory}/fence.nft`,
  marker: "/var/lib/holdfast/gate-armed",
  gateUnit: "/etc/systemd/system/holdfast-gate.service",
  releaseUnit: "/etc/systemd/system/holdfast-gate-release.service",
  releaseTimer: "/etc/systemd/system/holdfast-gate-release.timer",
  patroniDropIn: "/etc/systemd/system/patroni.service.d/holdfast-gate.conf",
} as const;

/** Hosts whose agents vote; null where failover is plain Patroni's. */
export function databaseMembers(topology: Topology): readonly string[] | null {
  if (!isService(topology)) return null;
  return leaseMembers(topology.database.hosts, topology.coordination.hosts);
}

type DatabaseSection = NonNullable<AgentConfigFile["database"]>;

function section(topology: ServiceTopology, members: readonly string[], host: string): DatabaseSection {
  const { database, name } = topology;
  const tls = tlsPaths("agent");
  const data = database.hosts.includes(host);
  return {
    self: host,
    members: members.map((member) => ({
      name: member,
      address: addressOf(topology, member),
      data: database.hosts.includes(member),
    })),
    heartbeatPort: agentPort,
    keyFile: paths.key,
    etcd: {
      endpoints: etcdEndpoints(topology, host),
      ca: tls.ca,
      certificate: tls.certificate,
      key: tls.key,
      leaderKey: `/holdfast/${name}/leader`,
      recordPrefix: `/holdfast-gate/${name}/`,
    },
    ...(data
      ? {
          postgres: {
            port: database.port,
            socketDirectory: "/run/postgresql",
            dataDirectory: dataDirectory(database.version),
            patroniPort: restPort,
            gateFile: paths.gate,
            marker: paths.marker,
          },
        }
      : {}),
    fenceFile: paths.fence,
    healthPort: agentPort,
  };
}

export interface DatabaseRole {
  readonly section: DatabaseSection;
  /** What the agent reads. */
  readonly agentFiles: readonly DesiredFile[];
  /** Exit 0 once the agent takes part. */
  readonly ready: readonly string[];
  /** What is there besides it. */
  readonly part: Omit<HostPart, "host">;
}

/** What a member of the database tier has; null on other hosts. */
export function databaseRole(context: RenderContext, host: string, configPath: string): DatabaseRole | null {
  const { topology, secret } = context;
  const members = databaseMembers(topology);
  if (members === null || !isService(topology) || !members.includes(host)) return null;
  const { database } = topology;
  const ports = { postgres: database.port, patroni: restPort, etcd: etcdPort };
  const peers = database.hosts.filter((name) => name !== host).map((name) => addressOf(topology, name));
  const tls = tlsParts(context, host, "agent", "root");
  const data = database.hosts.includes(host);
  // These three in place before Patroni's first start.
  const gate = { ...textFile(paths.gate, gateFile(ports, peers)), phase: Phase.base };
  const boot = [textFile(paths.gateUnit, gateUnit), textFile(paths.patroniDropIn, patroniDropIn)];
  const release = [
    textFile(paths.releaseUnit, releaseUnit(addressOf(topology, host), configPath)),
    textFile(paths.releaseTimer, releaseTimer),
  ];
  return {
    section: section(topology, members, host),
    ready: takesPart(addressOf(topology, host), data),
    agentFiles: [
      ...tls.files,
      secretFile(paths.key, `${secret(agentKey)}\n`),
      textFile(paths.fence, fenceFile(ports)),
      ...(data ? [gate] : []),
    ],
    part: {
      packages: ["curl", "iproute2", "nftables"],
      directories: [...tls.directories, { path: directory, mode: 0o755, owner: "root:root" }],
      files: data ? [...boot.map((file) => ({ ...file, phase: Phase.base })), ...release] : [],
      units: data
        ? [
            {
              name: "holdfast-gate-release.timer",
              phase: Phase.agent,
              state: "running",
              files: release.map(({ path }) => path),
              onChange: "restart",
            },
          ]
        : [],
    },
  };
}

/** A data host's is armed once a majority of agents is there; until then a lost primary costs Patroni's own time. */
const takesPart = (address: string, data: boolean): string[] => {
  const ask = `curl --silent --fail --max-time 2 http://${address}:${agentPort}/status`;
  return ["sh", "-c", data ? `${ask} | grep --quiet '"mode":"armed"'` : `${ask} > /dev/null`];
};

/** Lines of the agent's unit on such a host. */
export const databaseUnitLines = `# nothing that this agent fenced stays so without it; its gate does: the kernel has closed it by now
ExecStopPost=-/usr/sbin/nft delete table ${fenceTable}
# before it ends, the others learn that this host is plain Patroni's
TimeoutStopSec=15s
# a heartbeat that waits for the CPU is a failover: the least real-time priority, where the machine allows it
ExecStartPost=-+/usr/bin/chrt --all-tasks --rr --pid 1 $MAINPID`;

/**
 * A host that lost its power while it had a gate comes back with it closed. Where the table is there, it
 * stays as it is: Patroni may have been restarted alone.
 */
const gateUnit = `# Written by Holdfast.
[Unit]
Description=Holdfast: the database's gate, closed until the agent opens it
ConditionPathExists=${paths.marker}
Before=patroni.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'nft list table ${gateTable} > /dev/null 2>&1 || nft --file ${paths.gate}'
`;

/** A look costs a few milliseconds; Node is started only when nobody answers, and then waits and looks itself. */
const releaseUnit = (address: string, config: string): string => `# Written by Holdfast.
[Unit]
Description=Holdfast: plain Patroni where the database's gate has no agent
ConditionPathExists=${paths.marker}

[Service]
Type=oneshot
ExecCondition=/bin/sh -c '! curl --silent --output /dev/null --max-time 2 http://${address}:${agentPort}/status'
ExecStart=/opt/holdfast/node ${bundlePath} agent --config ${config} --release-gate
TimeoutStartSec=infinity
# not two lines in the journal for each look
LogLevelMax=notice
SyslogLevel=notice
`;

const releaseTimer = `# Written by Holdfast.
[Unit]
Description=Holdfast: looks whether the database's gate has an agent

[Timer]
OnBootSec=15s
OnUnitInactiveSec=15s
AccuracySec=1s

[Install]
WantedBy=timers.target
`;

const patroniDropIn = `# Written by Holdfast.
[Unit]
Requires=holdfast-gate.service
After=holdfast-gate.service
`;
