import { everyAppHost } from "../../topology/pool.ts";
import { clientAddress, type ServiceTopology } from "../../topology/schema.ts";
import { addressOf } from "../address.ts";
import { haproxyFiles, section } from "./paths.ts";

/** The role *entry*: what clients reach on the virtual address, and the pool of app hosts behind it. */
export function entrySections(topology: ServiceTopology, host: string): string[] {
  return [
    ...(topology.entry.ports.http === null ? [] : [redirectSection(topology, topology.entry.ports.http)]),
    frontendSection(topology),
    poolSection(topology),
    lastResortSection(topology),
    ...(topology.entry.affinity === "source" ? [peersSection(topology, host)] : []),
  ];
}

/** The backends that app hosts are servers of: one that is taken out is taken out of both. */
const pool = "app";
const lastResort = "app_last_resort";
export const poolBackends = [pool, lastResort] as const;

/** What was taken out at run time stays out over a reload. */
const loadServerState = "load-server-state-from-file global";

/** The variable that says where HAProxy listens for a port: the inherited descriptor, or in a check the port itself. */
export const bindVariable = (port: number): string => `ENTRY_${port}`;

function redirectSection(topology: ServiceTopology, port: number): string {
  const { https } = topology.entry.ports;
  const target =
    https === 443
      ? "http-request redirect scheme https code 308"
      : `http-request redirect location https://%[req.hdr(host),field(1,:)]:${https}%[capture.req.uri] code 308`;
  return section("frontend http", [
    `bind "\${${bindVariable(port)}}"`,
    "mode http",
    "option httplog",
    "timeout http-request 10s",
    target,
  ]);
}

function frontendSection(topology: ServiceTopology): string {
  return section("frontend https", [
    "# a socket that systemd holds, so that connections wait while HAProxy is started again",
    `bind "\${${bindVariable(topology.entry.ports.https)}}" ssl crt ${haproxyFiles.entryPair} alpn h2,http/1.1`,
    "mode http",
    "option httplog",
    "timeout http-request 10s",
    "timeout http-keep-alive 60s",
    "option clitcpka",
    "# a reload must not close a connection into which a client is just sending its next request",
    "option idle-close-on-response",
    "",
    "# what a client says about itself here is not to be believed",
    ...forwardedHeaders.map((name) => `http-request del-header ${name}`),
    "option forwardfor",
    "http-request set-header X-Forwarded-Proto https",
    `http-request set-header X-Forwarded-Port ${topology.entry.ports.https}`,
    "http-request set-header X-Forwarded-Host %[req.hdr(host)]",
    "unique-id-format %[uuid]",
    "unique-id-header X-Request-Id",
    "",
    "# a request that was sent may have been carried out: only idempotent ones are sent again (RFC 9110 9.2.2)",
    "http-request disable-l7-retry unless { method GET HEAD OPTIONS TRACE PUT DELETE }",
    "# checks that fail on every host at once tell of overload, or of the checks: better a slow answer than a sure 503",
    "use_backend app_last_resort if { nbsrv(app) eq 0 }",
    "default_backend app",
  ]);
}

const forwardedHeaders = [
  "Forwarded",
  "X-Forwarded-For",
  "X-Forwarded-Proto",
  "X-Forwarded-Port",
  "X-Forwarded-Host",
  "X-Real-IP",
  "X-Request-Id",
];

function poolSection(topology: ServiceTopology): string {
  const { health, port } = topology.app;
  const interval = health.interval;
  return section(`backend ${pool}`, [
    "mode http",
    "# roundrobin: of HAProxy's algorithms the one that retries on another host without a pause",
    "balance roundrobin",
    "retries 3",
    "option redispatch 1",
    "retry-on conn-failure empty-response response-timeout 502 503 504",
    "# longer than the app waits for a database failover",
    "timeout server 35s",
    "# WebSockets",
    "timeout tunnel 1h",
    `timeout check ${health.timeout}ms`,
    "# a host that vanished after it took a request is noticed after about 2 s, and the request goes to another",
    "option srvtcpka",
    "srvtcpka-idle 1s",
    "srvtcpka-intvl 1s",
    "srvtcpka-cnt 2",
    ...affinityLines(topology),
    "",
    loadServerState,
    "option httpchk",
    `http-check send meth ${health.method} uri ${health.path} ver HTTP/1.1 hdr Host ${hostHeader(topology)}`,
    "http-check expect status 200",
    `default-server check inter ${interval}ms fastinter ${fastInterval(interval)}ms downinter ${interval}ms fall ${health.fall} rise ${health.rise}`,
    "# a failed connection brings the next check forward: a killed host is out within about 0.2 s. It does not put",
    "# the host out by itself: on a busy machine that took the last good one out",
    "default-server observe layer4 error-limit 1 on-error fastinter",
    `default-server ssl verify required ca-file ${haproxyFiles.ca}`,
    ...everyAppHost(topology).map((name) => serverLine(topology, name, port)),
  ]);
}

/** While no app host passes its checks: each is tried all the same. */
function lastResortSection(topology: ServiceTopology): string {
  const { port } = topology.app;
  return section(`backend ${lastResort}`, [
    "mode http",
    "balance roundrobin",
    loadServerState,
    "retries 1",
    "option redispatch 1",
    "timeout server 35s",
    "timeout tunnel 1h",
    `default-server ssl verify required ca-file ${haproxyFiles.ca}`,
    ...everyAppHost(topology).map(
      (name) => `server ${name} ${addressOf(topology, name)}:${port} ${identityOf(name)}`,
    ),
  ]);
}

/** How HAProxy knows that it talks to this host: by the name in its certificate. */
const identityOf = (name: string): string => `sni str(${name}) verifyhost ${name} tcp-ut 1s`;

/** tcp-ut stands on each line: HAProxy 2.6 does not take it over from default-server. */
function serverLine(topology: ServiceTopology, name: string, port: number): string {
  const cookie = topology.entry.affinity === "cookie" ? ` cookie ${name}` : "";
  return `server ${name} ${addressOf(topology, name)}:${port} ${identityOf(name)} check-sni ${name}${cookie}`;
}

/** Once a check or a request has failed, the next check decides quickly. */
const fastInterval = (interval: number): number => Math.min(interval, Math.max(50, Math.round(interval / 5)));

const hostHeader = (topology: ServiceTopology): string => topology.entry.domain ?? clientAddress(topology);

function affinityLines(topology: ServiceTopology): string[] {
  const { affinity } = topology.entry;
  if (affinity === "cookie") {
    return ['cookie HOLDFAST insert indirect nocache httponly secure attr "SameSite=Lax"'];
  }
  if (affinity === "source") return ["stick-table type ip size 200k expire 30m peers entry", "stick on src"];
  return [];
}

/** Entry hosts tell each other which client is at which app host, so that it stays there when the address moves. */
function peersSection(topology: ServiceTopology, host: string): string {
  const others = topology.entry.hosts.filter((name) => name !== host);
  return section("peers entry", [
    `bind ${addressOf(topology, host)}:10000 ssl crt ${haproxyFiles.hostPair} ca-file ${haproxyFiles.ca} verify required`,
    `default-server ssl crt ${haproxyFiles.hostPair} ca-file ${haproxyFiles.ca} verify required`,
    `server ${host}`,
    ...others.map((name) => `server ${name} ${addressOf(topology, name)}:10000 verifyhost ${name}`),
  ]);
}
