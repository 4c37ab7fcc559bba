import { Phase } from "../../plan/desired.ts";
import type { DesiredFile } from "../../plan/desired.ts";
import type { Topology } from "../../topology/schema.ts";
import { textFile } from "../base/files.ts";
import type { Engine, HostPart, RenderContext } from "../engine.ts";
import { tlsParts } from "../tls.ts";
import { addressOf } from "../address.ts";
import {
  addressAwayFile,
  addressFitFile,
  entryHealthFile,
  notifyFifo,
  vrrpInstance,
} from "../keepalived/render.ts";
import { restartDelayMs } from "../keepalived/timing.ts";
import type { AgentConfigFile } from "./config.ts";
import { agentKey, bundlePath, databaseMembers, databaseRole, databaseUnitLines } from "./database.ts";
import { echoPort } from "./echo.ts";
import { hasWitness, witness } from "./witness.ts";

/** A proxy that crashed is back in some 50 ms, on a busy machine in 300. Then the address moves. */
const START_MS = 1000;

/** Who is master, as the guide's operators know it. */
export const stateFile = "/run/nginx-ha-keepalived.state";

const configPath = "/etc/holdfast/agent.json";
const unitName = "holdfast-agent.service";
const sysctlPath = "/etc/sysctl.d/91-holdfast-agent.conf";

/**
 * Holdfast's agent. On the entry hosts it tells keepalived whether the proxy serves, cleans up after it,
 * and moves an Elastic IP; on the database tier's it makes failover fast and fences it.
 */
export const agent: Engine = {
  name: "agent",
  secrets: (topology) => (databaseMembers(topology) === null ? [] : [agentKey]),
  render: (context) => {
    const { entry } = context.topology;
    const hosts = new Set([...entry.hosts, ...(databaseMembers(context.topology) ?? [])]);
    return [...hosts].map((host) => renderHost(context, host));
  },
};

function renderHost(context: RenderContext, host: string): HostPart {
  const isEntry = context.topology.entry.hosts.includes(host);
  const database = databaseRole(context, host, configPath);
  const config: AgentConfigFile = {
    ...(isEntry ? entryConfig(context, host) : {}),
    ...(database === null ? {} : { database: database.section }),
  };
  const bundle: DesiredFile = {
    path: bundlePath,
    content: { kind: "artifact", artifact: "holdfast", sha256: context.artifact("holdfast").sha256 },
    mode: 0o755,
    owner: "root:root",
    secret: false,
  };
  const roles = { entry: isEntry, database: database !== null };
  // A host of the database tier has them already.
  const tls =
    isEntry && database === null && hasWitness(context.topology)
      ? tlsParts(context, host, "agent", "root")
      : null;
  const files = [
    bundle,
    ...(tls?.files ?? []),
    textFile(configPath, `${JSON.stringify(config, null, 2)}\n`),
    ...(isEntry ? [textFile(sysctlPath, sysctlFile)] : []),
    textFile(`/etc/systemd/system/${unitName}`, unitFile(context.topology, roles)),
    ...(database?.agentFiles ?? []),
  ];
  return {
    host,
    ...database?.part,
    ...(tls === null ? {} : { directories: tls.directories }),
    files: [...files, ...(database?.part.files ?? [])],
    units: [
      ...(database?.part.units ?? []),
      {
        name: unitName,
        phase: Phase.agent,
        state: "running",
        files: files.map((file) => file.path),
        onChange: "restart",
        // One after the other, so that a majority goes on voting.
        ...(database === null ? {} : { serial: "agent", ready: database.ready }),
      },
    ],
  };
}

/** Otherwise the echo could be bound only once the address is here, and would seem to come later than it. */
const sysctlFile = `# Written by Holdfast.
# the agent's UDP echo waits on the virtual address also while another host holds it
net.ipv4.ip_nonlocal_bind = 1
`;

function entryConfig(context: RenderContext, host: string): AgentConfigFile {
  const { topology } = context;
  const { entry, network } = topology;
  const virtual = entry.address.kind === "vip" ? entry.address.vip : undefined;
  return {
    entry: {
      probe: {
        url: "http://127.0.0.1:8404/healthz",
        intervalMs: 50,
        timeoutMs: 500,
        fall: 3,
        rise: 2,
        unit: `${entry.engine}.service`,
        startMs: START_MS,
      },
      healthFile: entryHealthFile,
      ...(virtual === undefined ? {} : { address: { vip: virtual, interface: network.interface } }),
      // systemd restarts it after the delay; as long again for a busy machine, and then it is dead
      keepalived: { deadAfterMs: 2 * restartDelayMs(topology) + 500 },
      echo:
        virtual === undefined
          ? { address: addressOf(topology, host), port: echoPort, clients: "0.0.0.0/0" }
          : { address: virtual, port: echoPort, clients: network.subnet },
    },
    ...(entry.address.kind === "vip" ? {} : { address: elasticIp(context, entry.address.region, host) }),
  };
}

function elasticIp(
  { topology, elasticIp }: RenderContext,
  region: string,
  host: string,
): NonNullable<AgentConfigFile["address"]> {
  if (elasticIp === null) throw new Error("nobody has said which Elastic IP it is");
  const { allocationId, endpoint } = elasticIp;
  return {
    region,
    ...(endpoint === undefined ? {} : { endpoint }),
    addresses: [{ allocationId }],
    peers: topology.entry.hosts
      .filter((name) => name !== host)
      .map((name) => ({ name, address: addressOf(topology, name) })),
    vrrp: { instance: vrrpInstance, fifo: notifyFifo },
    probePort: topology.entry.ports.https,
    ...witness(topology, host),
    healthFile: entryHealthFile,
    fitFile: addressFitFile,
    awayFile: addressAwayFile,
    stateFile,
  };
}

/**
 * While the agent is down, the health file stays as it was: keepalived goes on with the last verdict,
 * and the address still moves when the host is lost.
 */
const unitFile = (
  { entry }: Topology,
  roles: { entry: boolean; database: boolean },
): string => `# Written by Holdfast.
[Unit]
Description=Holdfast agent
After=network.target
StartLimitIntervalSec=0

[Service]
${roles.entry ? `# the agent goes on without it\nExecStartPre=-+/usr/sbin/sysctl --quiet --load ${sysctlPath}\n` : ""}ExecStart=/opt/holdfast/node ${bundlePath} agent --config ${configPath}
Restart=always
RestartSec=200ms
# ahead of ordinary work on a busy machine, and the last to be killed for memory
Nice=-10
OOMScoreAdjust=-900
${roles.database ? `${databaseUnitLines}\n# its gate and fence, stale addresses; to see PostgreSQL's files; nothing else\nCapabilityBoundingSet=CAP_NET_ADMIN CAP_DAC_READ_SEARCH` : "# to remove a stale address from the interface; nothing else\nCapabilityBoundingSet=CAP_NET_ADMIN"}
NoNewPrivileges=yes
ProtectSystem=strict
${entry.address.kind === "vip" ? "" : "# to read what keepalived writes into its own /tmp when it is asked\nCapabilityBoundingSet=CAP_SYS_PTRACE\n# the state file is where operators look for it, and is replaced as a whole\n"}ReadWritePaths=${entry.address.kind === "vip" ? "/run/holdfast" : "/run"}${roles.database ? " /var/lib/holdfast" : ""}
ProtectHome=yes
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_NETLINK

[Install]
WantedBy=multi-user.target
`;
