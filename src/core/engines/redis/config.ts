import type { ServiceContext } from "../engine.ts";
import { tlsPaths } from "../tls.ts";
import type { RedisNode } from "./layout.ts";
import { redisPaths } from "./paths.ts";

export function redisConfig({ topology, secret }: ServiceContext, node: RedisNode): string {
  const tls = tlsPaths("redis");
  const { cache } = topology;
  if (cache === undefined) throw new Error("redis rendered without a cache tier");
  return `# Managed by Holdfast: changes made here are undone by \`holdfast up\`.
bind ${node.address} 127.0.0.1
port 0
tls-port ${node.port}
tls-ca-cert-file ${tls.ca}
tls-cert-file ${tls.certificate}
tls-key-file ${tls.key}
tls-replication yes
# Clients prove themselves by the password; a certificate is checked when they bring one.
tls-auth-clients optional
requirepass ${JSON.stringify(secret("redis"))}
masterauth ${JSON.stringify(secret("redis"))}

dir ${redisPaths.data(node.port)}
# Empty: standard output, so the journal.
logfile ""
pidfile /run/redis-${node.port}/redis-server.pid

# Only update triggers pass through here. Nothing is kept: a process that returns empty is right.
save ""
appendonly no
maxmemory ${cache.maxMemory}
maxmemory-policy allkeys-lru

# Seconds. Clients of hosts that died are noticed by keepalives.
timeout 0
tcp-keepalive 10
repl-ping-replica-period 1
repl-timeout 10
# A replica's first copy need not wait for others to share it.
repl-diskless-sync-delay 0
${cache.mode === "cluster" ? clusterSettings(node) : ""}`;
}

function clusterSettings(node: RedisNode): string {
  return `
cluster-enabled yes
cluster-config-file nodes.conf
tls-cluster yes
cluster-announce-ip ${node.address}
# Milliseconds. A master is replaced about 1.8 s after it fell silent (21.6 s with the default 15000).
cluster-node-timeout 500
# However old a replica's copy is, it may take over: there is no data to lose.
cluster-replica-validity-factor 0
# One shard without a living copy must not silence the others.
cluster-require-full-coverage no
cluster-allow-reads-when-down yes
# Every process keeps its place: a replica that wandered could end on its own master's host.
cluster-allow-replica-migration no
`;
}
