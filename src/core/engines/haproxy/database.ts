import type { ServiceTopology } from "../../topology/schema.ts";
import { addressOf } from "../address.ts";
import { agentPort, databaseMembers } from "../agent/database.ts";
import { haproxyFiles, section } from "./paths.ts";

/** Patroni's REST API: says which host is primary. */
const patroniPort = 8008;

/** A replica that is further behind than this serves no reads. */
const maximumLag = "16MB";

/**
 * The role *database proxy*: the app's local way to the database. 127.0.0.1:5432 is the primary,
 * wherever it is; :5433 a replica that keeps up, or the primary when there is none.
 *
 * Where Holdfast's agents watch over failover, they say who is primary: a killed Patroni then stops
 * nobody, and a fenced primary's sessions are cut at once. Where no agent says so, Patroni does.
 */
export function databaseSections(topology: ServiceTopology): string[] {
  const { port } = topology.database;
  const agents = databaseMembers(topology) !== null;
  const byAgents = agents ? ["use_backend database_agents if { nbsrv(database_agents) gt 0 }"] : [];
  return [
    frontend("database", port, byAgents),
    frontend("database_readonly", readOnlyPort(topology), [
      "use_backend database_replica if { nbsrv(database_replica) gt 0 }",
      ...byAgents,
    ]),
    ...(agents ? [agentBackend(topology)] : []),
    backend(topology, "database_primary", "/primary", [
      ...(agents
        ? [
            "# a host that vanished is still here when the agents know better: who is sent to it must not wait",
            "timeout connect 300ms",
            "retries 0",
          ]
        : []),
      "# a killed host is noticed within about 0.8 s, a new primary within 0.2 s. Three checks, not two: they run a",
      "# TLS handshake against a busy Python process, and a false alarm cuts every connection of the app",
      "default-server inter 200ms fastinter 200ms downinter 200ms fall 3 rise 1",
    ]),
    backend(topology, "database_replica", `/replica?lag=${maximumLag}`, [
      "balance leastconn",
      "default-server inter 1s fastinter 500ms downinter 1s fall 3 rise 2",
    ]),
  ];
}

/** Where reads that may be a little stale go: one above the read-write port. */
export const readOnlyPort = (topology: ServiceTopology): number => topology.database.port + 1;

function frontend(name: string, port: number, rules: readonly string[]): string {
  return section(`frontend ${name}`, [
    `bind 127.0.0.1:${port}`,
    "mode tcp",
    "option tcplog",
    "# connections of a pool may be idle for long: keep-alive, not silence, says that a peer is gone",
    "timeout client 24h",
    "option clitcpka",
    ...rules,
    "default_backend database_primary",
  ]);
}

/** Checked without TLS: a few microseconds of an agent that has little to spare, and no secret in the answer. */
function agentBackend(topology: ServiceTopology): string {
  return section("backend database_agents", [
    "mode tcp",
    "timeout server 24h",
    "timeout connect 300ms",
    "retries 0",
    "# a frozen host accepts connections and says nothing: gone as soon as one that is off",
    "timeout check 250ms",
    "option srvtcpka",
    "option httpchk",
    "http-check send meth GET uri /primary ver HTTP/1.1 hdr Host agent",
    "http-check expect status 200",
    "# a dead host's sessions are cut after about 1.1 s, before another is primary; four checks, not fewer, so that",
    "# an agent may be restarted",
    "default-server inter 200ms fastinter 100ms downinter 100ms fall 4 rise 1",
    `default-server check port ${agentPort} on-marked-down shutdown-sessions`,
    ...topology.database.hosts.map(
      (host) => `server ${host} ${addressOf(topology, host)}:${topology.database.port}`,
    ),
  ]);
}

function backend(topology: ServiceTopology, name: string, path: string, lines: readonly string[]): string {
  return section(`backend ${name}`, [
    "mode tcp",
    "timeout server 24h",
    "timeout check 1s",
    "option srvtcpka",
    "option httpchk",
    `http-check send meth GET uri ${path} ver HTTP/1.1 hdr Host patroni`,
    "http-check expect status 200",
    ...lines,
    "# the app must not go on talking to a host that is no longer what it was",
    `default-server check port ${patroniPort} check-ssl verify required ca-file ${haproxyFiles.ca} on-marked-down shutdown-sessions`,
    ...topology.database.hosts.map(
      (host) =>
        `server ${host} ${addressOf(topology, host)}:${topology.database.port} check-sni ${host} verifyhost ${host}`,
    ),
  ]);
}
