import type { ServiceTopology } from "../../topology/schema.ts";
import { addressOf } from "../address.ts";
import { tlsPaths } from "../tls.ts";
import { eventsSection, httpLines, mainLines, tlsLines } from "./common.ts";

const tls = tlsPaths("nginx");

/** The whole nginx.conf of an app host; the distribution's snippets and sites are not read. */
export function nginxConfig(topology: ServiceTopology, host: string): string {
  return `# Written by Holdfast.
${mainLines}

${eventsSection}

http {
${httpLines}
    client_max_body_size 16m;

    log_format json escape=json
        '{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method","uri":"$uri",'
        '"status":$status,"bytes":$bytes_sent,"seconds":$request_time,"upstream":"$upstream_addr",'
        '"upstreamSeconds":"$upstream_response_time","request":"$http_x_request_id"}';
    # good answers to the entry's checks, several a second, would bury everything else
    map $request_uri:$status $logged {
        "${topology.app.health.path}:200" 0;
        default 1;
    }
    access_log syslog:server=unix:/dev/log,facility=daemon,severity=info,tag=nginx,nohostname json if=$logged;

    # longer than the entry keeps an idle connection, so that nginx never closes one that is about to be used
    keepalive_timeout 75s;
    keepalive_requests 10000;

    # the client's address as the entry hosts tell it; nobody else is believed
${topology.entry.hosts.map((name) => `    set_real_ip_from ${addressOf(topology, name)};`).join("\n")}
    real_ip_header X-Forwarded-For;

${tlsLines(tls)}

    map $http_upgrade $connection_upgrade {
        default upgrade;
        ''      '';
    }

${topology.app.services.map(upstream).join("\n\n")}

    server {
        listen ${topology.app.port} ssl http2;
        server_name _;

${indent(securityHeaders, 8)}

${indent(proxySettings(host), 8)}

${topology.app.services.map(location).join("\n\n")}

${indent(staticFiles(topology.app.static), 8)}
    }
}
`;
}

type Service = ServiceTopology["app"]["services"][number];

/** Idle connections are closed after 4 s, before a service does it (Node: 5 s): no request meets a closing one. */
const upstream = ({ name, port }: Service): string => `    upstream ${name} {
        server 127.0.0.1:${port} max_fails=0;
        keepalive 64;
        keepalive_timeout 4s;
    }`;

const location = ({ name, prefix }: Service): string => `        location ${prefix} {
            proxy_pass https://${name};
        }`;

const securityHeaders = [
  'add_header Strict-Transport-Security "max-age=31536000" always;',
  "add_header Content-Security-Policy \"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'\" always;",
  "add_header X-Content-Type-Options nosniff always;",
  "add_header X-Frame-Options DENY always;",
  "add_header Referrer-Policy no-referrer always;",
];

const proxySettings = (host: string): string[] => [
  "proxy_http_version 1.1;",
  "proxy_set_header Host $host;",
  "proxy_set_header Upgrade $http_upgrade;",
  "proxy_set_header Connection $connection_upgrade;",
  "proxy_set_header X-Real-IP $remote_addr;",
  "proxy_set_header X-Forwarded-For $remote_addr;",
  "proxy_set_header X-Forwarded-Proto https;",
  "proxy_ssl_verify on;",
  `proxy_ssl_trusted_certificate ${tls.ca};`,
  `proxy_ssl_name ${host};`,
  "proxy_ssl_server_name on;",
  "proxy_ssl_protocols TLSv1.2 TLSv1.3;",
  "proxy_connect_timeout 2s;",
  "# longer than a service waits for a database failover, so that its answer still arrives",
  "proxy_read_timeout 35s;",
  "proxy_send_timeout 35s;",
  "# only a kept-alive connection that turns out closed is tried anew, and never with a non-idempotent request",
  "proxy_next_upstream error;",
];

function staticFiles(directory: string | undefined): string[] {
  if (directory === undefined) return ["location / {", "    return 404;", "}"];
  return [
    "location / {",
    `    root ${directory};`,
    "    index index.html;",
    "    # kept by browsers, but asked for every time: an upgrade shows at once",
    "    expires -1;",
    "    try_files $uri $uri/ =404;",
    "}",
  ];
}

const indent = (lines: readonly string[], width: number): string =>
  lines.map((line) => `${" ".repeat(width)}${line}`).join("\n");
