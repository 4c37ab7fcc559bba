/** Redis: carries update triggers between app hosts; a lost one costs a delay, never data. */
import { Phase, type DesiredFile, type DesiredTask, type DesiredUnit } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { serviceEngine, type HostPart, type ServiceContext } from "../engine.ts";
import { addressOf } from "../address.ts";
import { secretFile, textFile } from "../base/files.ts";
import { tlsParts } from "../tls.ts";
import { redisConfig } from "./config.ts";
import { redisNodes, type RedisNode } from "./layout.ts";
import { redisPaths, redisUnit } from "./paths.ts";
import { clientScript, clusterLayout, clusterScript } from "./scripts.ts";

export const redis = serviceEngine({
  name: "redis",
  secrets: ({ cache }) => (cache === undefined ? [] : ["redis"]),
  render: (context) => {
    const nodes = redisNodes(context.topology);
    return [...new Set(nodes.map((node) => node.host))].map((host) =>
      renderHost(
        context,
        host,
        nodes.filter((node) => node.host === host),
      ),
    );
  },
});

function renderHost(context: ServiceContext, host: string, nodes: readonly RedisNode[]): HostPart {
  const { topology, secret } = context;
  const tls = tlsParts(context, host, "redis", "redis");
  const shared = [...tls.files, textFile(redisPaths.dropIn, dropIn)];
  const configs = nodes.map((node): DesiredFile =>
    secretFile(redisPaths.config(node.port), redisConfig(context, node), {
      mode: 0o640,
      owner: "root:redis",
    }),
  );
  const deputy = topology.cache?.mode === "cluster" && host === topology.cache.hosts[0];
  return {
    host,
    packages: ["redis-server", "redis-tools"],
    directories: [
      ...tls.directories,
      { path: redisPaths.directory, mode: 0o755, owner: "root:root" },
      ...nodes.map(({ port }) => ({ path: redisPaths.data(port), mode: 0o750, owner: "redis:redis" })),
    ],
    files: [
      ...shared,
      ...configs,
      textFile(redisPaths.client, clientScript, { mode: 0o755 }),
      secretFile(redisPaths.password, `${secret("redis")}\n`),
      ...(deputy ? keeperFiles(topology) : []),
    ],
    units: [
      // The distribution's own instance would hold the same port.
      { name: "redis-server.service", phase: Phase.base, state: "masked", files: [], onChange: "restart" },
      ...nodes.map((node) =>
        nodeUnit(topology, node, [redisPaths.config(node.port), ...shared.map((file) => file.path)]),
      ),
      ...(deputy ? [keeperUnit(topology)] : []),
    ],
    tasks: deputy ? [clusterTask(topology)] : [],
  };
}

function nodeUnit(
  topology: ServiceTopology,
  { host, port }: RedisNode,
  files: readonly string[],
): DesiredUnit {
  return {
    name: redisUnit(port),
    phase: Phase.data,
    state: "running",
    files,
    onChange: "restart", // Redis reads its file only at start
    ready: [
      "timeout",
      "5",
      redisPaths.client,
      "-e",
      "-h",
      addressOf(topology, host),
      "-p",
      String(port),
      "ping",
    ],
    serial: "redis",
  };
}

const keeperFiles = (topology: ServiceTopology): DesiredFile[] => [
  textFile(redisPaths.cluster, clusterScript, { mode: 0o755 }),
  textFile(redisPaths.layout, `${clusterLayout(topology)}\n`),
  textFile(`/etc/systemd/system/${keeperName}`, keeperUnitFile),
];

/** One for the cluster; while its host is away the masters stay where they are. */
const keeperUnit = (topology: ServiceTopology): DesiredUnit => ({
  name: keeperName,
  phase: Phase.dataReady,
  state: "running",
  files: keeperFiles(topology).map((file) => file.path),
  onChange: "restart",
});

const keeperName = "holdfast-redis-cluster.service";

const keeperUnitFile = `# Managed by Holdfast.
[Unit]
Description=Redis cluster: each master on its own host
After=network.target
StartLimitIntervalSec=0

[Service]
ExecStart=/bin/sh -c 'exec ${redisPaths.cluster} keep "$$(cat ${redisPaths.layout})"'
Restart=always
RestartSec=5s
Nice=10
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
RestrictAddressFamilies=AF_UNIX AF_INET

[Install]
WantedBy=multi-user.target
`;

function clusterTask(topology: ServiceTopology): DesiredTask {
  // An argument, not a file: a plan is made while the host still has the old files.
  const layout = clusterLayout(topology);
  return {
    id: "redis-cluster-create",
    title: "form the Redis cluster, each master on its own host",
    phase: Phase.dataReady,
    done: [redisPaths.cluster, "check", layout],
    act: [redisPaths.cluster, "form", layout],
    timeoutMs: 120_000,
  };
}

const dropIn = `# Managed by Holdfast.
[Unit]
# Never give up: the package's limit is five starts in ten seconds.
StartLimitIntervalSec=0

[Service]
# Back before the others have noticed (cluster-node-timeout), where a crash is all there was.
RestartSec=200ms
`;
