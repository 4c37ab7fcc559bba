import type { Topology } from "../../topology/schema.ts";
import { haproxyFiles, section } from "./paths.ts";

/** `global` and `defaults`. */
export function commonSections(
  topology: Topology,
  host: string,
  options: { peers: boolean; pool: boolean },
): string[] {
  const memory = topology.hosts[host]?.memory ?? 1024 ** 3;
  return [
    section("global", [
      "# systemd reads it into the journal, with its priority",
      "log stdout format short local0 info",
      "user haproxy",
      "group haproxy",
      "chroot /var/lib/haproxy",
      ...(options.pool ? [`server-state-file ${haproxyFiles.serverState}`] : []),
      `stats socket ${haproxyFiles.adminSocket} user haproxy group haproxy mode 660 level admin expose-fd listeners`,
      "stats timeout 30s",
      `maxconn ${maxConnections(memory)}`,
      "# after a reload the old process may finish its connections for so long",
      "hard-stop-after 10m",
      ...(options.peers ? [`localpeer ${host}`] : []),
      "ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets",
      `ssl-default-bind-ciphers ${ciphers}`,
      "ssl-default-server-options ssl-min-ver TLSv1.2 no-tls-tickets",
      `ssl-default-server-ciphers ${ciphers}`,
    ]),
    section("defaults", [
      "log global",
      "option dontlognull",
      "# a connection that is not there in a second is tried on another host: in a local network it takes 1 ms,",
      "# with the TLS handshake on a busy machine some hundred",
      "timeout connect 1s",
      "timeout client 60s",
      "timeout server 60s",
      "timeout queue 5s",
    ]),
  ];
}

/** Mozilla's "intermediate" list, without finite-field Diffie-Hellman; TLS 1.3 has its own. */
const ciphers = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/**
 * A connection with TLS on both sides takes about 100 KiB (two buffers of 16 KiB, two TLS states):
 * with one per 128 KiB of memory, HAProxy refuses before the kernel kills it. Never more than fit
 * into the descriptors that its unit allows.
 */
const maxConnections = (memory: number): number =>
  Math.min(8000, Math.max(1000, Math.floor(memory / (128 * 1024))));

/**
 * Health, statistics and metrics, on the loopback only. `/healthz` says that HAProxy serves, and
 * deliberately nothing of the hosts behind it: when all of them are down, moving the address to the
 * other entry host would only replace an honest 503 by silence.
 */
export const monitorSection = section("frontend monitor", [
  "bind 127.0.0.1:8404",
  "mode http",
  "no log",
  "timeout http-request 5s",
  "monitor-uri /healthz",
  "http-request use-service prometheus-exporter if { path /metrics }",
  "stats enable",
  "stats uri /stats",
]);
