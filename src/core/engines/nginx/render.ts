import { Phase } from "../../plan/desired.ts";
import { isService, type ServiceTopology } from "../../topology/schema.ts";
import { dropIn, textFile } from "../base/files.ts";
import type { Engine, HostPart, ServiceContext } from "../engine.ts";
import { tlsParts, tlsPaths } from "../tls.ts";
import { nginxConfig } from "./config.ts";
import { renderEntryHost } from "./entry.ts";
import { nginxConfigPath } from "./paths.ts";

/**
 * nginx on the app hosts (static files, and the services over HTTPS by prefix), or on the hosts of an
 * entry that stands alone.
 */
export const nginx: Engine = {
  name: "nginx",
  secrets: () => [],
  render: (context) => {
    const { topology } = context;
    return isService(topology)
      ? topology.app.hosts.map((host) => renderHost({ ...context, topology }, host))
      : topology.entry.hosts.map((host) => renderEntryHost(context, host));
  },
};

function renderHost(context: ServiceContext, host: string): HostPart {
  // Root's: the master reads the key before its workers drop to www-data.
  const tls = tlsParts(context, host, "nginx", "root");
  const files = [
    ...tls.files,
    textFile(nginxConfigPath, nginxConfig(context.topology, host), {
      check: ["nginx", "-t", "-q", "-c", "{file}"],
    }),
    dropIn("nginx.service", unitDropIn),
  ];
  return {
    host,
    packages: ["nginx-light"],
    directories: tls.directories,
    files,
    units: [
      {
        name: "nginx.service",
        phase: Phase.service,
        state: "running",
        files: files.map((file) => file.path),
        onChange: "reload",
        restartFiles: ["/etc/systemd/system/nginx.service.d/holdfast.conf"],
        ready: readyProbe(context.topology),
      },
    ],
  };
}

/** Any answer will do: whether the services behind serve is the app unit's probe. */
function readyProbe(topology: ServiceTopology): string[] {
  const url = `https://localhost:${topology.app.port}/`;
  return ["curl", "-sS", "-o", "/dev/null", "--max-time", "2", "--cacert", tlsPaths("nginx").ca, url];
}

const unitDropIn = `# Written by Holdfast.
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=always
RestartSec=100ms
LimitNOFILE=20000
`;
