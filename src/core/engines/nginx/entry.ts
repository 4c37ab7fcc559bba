import { Phase } from "../../plan/desired.ts";
import type { Topology } from "../../topology/schema.ts";
import { dropIn, secretFile, textFile } from "../base/files.ts";
import { entryListeners, entrySocketPart, heldByServices } from "../entry-socket.ts";
import type { HostPart, RenderContext } from "../engine.ts";
import { eventsSection, httpLines, mainLines, tlsLines } from "./common.ts";
import { nginxConfigPath, nginxEntryFiles } from "./paths.ts";

const dropInPath = "/etc/systemd/system/nginx.service.d/holdfast.conf";

/** nginx on a host of an entry that stands alone: the operator's own sites, on sockets that systemd holds. */
export function renderEntryHost({ topology, entryCertificate }: RenderContext, host: string): HostPart {
  // The TLS files first: the configuration's check reads them. Root's: the master reads them before its workers drop.
  const files = [
    textFile(nginxEntryFiles.certificate, entryCertificate.certificate),
    secretFile(nginxEntryFiles.key, entryCertificate.key),
    textFile(nginxConfigPath, nginxEntryConfig(topology), { check: ["nginx", "-t", "-q", "-c", "{file}"] }),
    dropIn("nginx.service", unitDropIn(topology)),
  ];
  const socket = entrySocketPart(topology, "nginx.service", Phase.entry);
  return {
    host,
    packages: ["nginx-light"],
    directories: [{ path: nginxEntryFiles.directory, mode: 0o755, owner: "root:root" }],
    files: [...files, socket.file],
    units: [
      socket.unit,
      {
        name: "nginx.service",
        phase: Phase.entry,
        state: "running",
        files: files.map((file) => file.path),
        onChange: "reload",
        restartFiles: [dropInPath],
        ready: ["curl", "-fsS", "-o", "/dev/null", "--max-time", "2", "http://127.0.0.1:8404/healthz"],
      },
    ],
  };
}

function nginxEntryConfig({ entry }: Topology): string {
  const { http, https } = entry.ports;
  return `# Written by Holdfast.
${mainLines}
# dynamic modules that the distribution's packages bring
include /etc/nginx/modules-enabled/*.conf;

${eventsSection}

http {
${httpLines}
    access_log off;
    keepalive_timeout 60s;

${tlsLines(nginxEntryFiles)}

    # whether nginx serves, for this host's agent; deliberately nothing of what is behind it
    server {
        listen 127.0.0.1:8404;
        location = /healthz {
            return 200;
        }
    }
${http === null ? "" : redirectServer(http, https)}
    # what no site of yours takes
    server {
        listen ${https} ssl http2 default_server;
        server_name _;
        root /var/www/html;
        index index.html index.nginx-debian.html;
    }

    # your own sites: with "listen ${https} ssl", which takes the certificate above unless it names another
    include /etc/nginx/conf.d/*.conf;
}
`;
}

const redirectServer = (http: number, https: number): string => `
    server {
        listen ${http} default_server;
        server_name _;
        return 308 https://$host${https === 443 ? "" : `:${https}`}$request_uri;
    }
`;

/**
 * nginx takes over sockets by the variable NGINX, meant for its own change of binaries: it then stays in
 * the foreground, so it is no forking service any more.
 */
function unitDropIn(topology: Topology): string {
  const descriptors = entryListeners(topology).map(({ fd }) => `${fd};`);
  return `# Written by Holdfast.
[Unit]
StartLimitIntervalSec=0
${heldByServices.unit}

[Service]
${heldByServices.service}
Environment=NGINX=${descriptors.join("")}
Type=exec
PIDFile=
# checked before it was written; a check here would only delay a restart
ExecStartPre=
ExecStart=
ExecStart=/usr/sbin/nginx -g "daemon off; master_process on;"
ExecReload=
ExecReload=/bin/kill -HUP $MAINPID
ExecStop=
KillSignal=SIGQUIT
Restart=always
RestartSec=0
# among the last to be killed for memory
OOMScoreAdjust=-500
LimitNOFILE=20000
`;
}
