import type { DesiredFile } from "../../plan/desired.ts";
import { Phase } from "../../plan/desired.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { secretFile, textFile } from "../base/files.ts";
import { serviceEngine, type HostPart, type ServiceContext } from "../engine.ts";
import { tlsParts, tlsPaths } from "../tls.ts";
import { appDirectory, appFiles, environmentFile, packagePath } from "./environment.ts";
import { packageTasks } from "./tasks.ts";

/** The operator's service on the app hosts: its package, its environment and its unit. */
export const app = serviceEngine({
  name: "app",
  secrets: (topology) => ["app-database", "api-token", ...(topology.cache === undefined ? [] : ["redis"])],
  render: (context) => context.topology.app.hosts.map((host) => renderHost(context, host)),
});

function renderHost(context: ServiceContext, host: string): HostPart {
  const { topology } = context;
  const { name, user, unit } = topology.app;
  const release = context.artifact("app");
  const tls = tlsParts(context, host, "app", user);
  const archive: DesiredFile = {
    path: packagePath(name, release.version),
    content: { kind: "artifact", artifact: "app", sha256: release.sha256 },
    mode: 0o644,
    owner: "root:root",
    secret: false,
  };
  // Not only the unit reads them: the package's post-install does before it.
  const files = [...tls.files, ...configurationFiles(context, host), archive].map((file) => ({
    ...file,
    phase: Phase.app,
  }));
  return {
    host,
    users: [{ name: user }],
    directories: [
      ...tls.directories,
      { path: "/etc/holdfast/app", mode: 0o750, owner: `root:${user}` },
      { path: appDirectory(name), mode: 0o755, owner: "root:root" },
      { path: `${appDirectory(name)}/releases`, mode: 0o755, owner: "root:root" },
    ],
    files,
    tasks: packageTasks(topology, host, release),
    units: [
      {
        name: unit,
        phase: Phase.service,
        state: "running",
        files: files.map((file) => file.path),
        onChange: "restart",
        // One app host after the other: the entry always has one that serves.
        serial: "app",
        ready: readyProbe(topology),
        readyTimeoutMs: 120_000,
      },
    ],
  };
}

function configurationFiles(context: ServiceContext, host: string): DesiredFile[] {
  const { topology, secret } = context;
  const readable = { mode: 0o640, owner: `root:${topology.app.user}` };
  return [
    textFile(appFiles.environment, environmentFile(topology, host), readable),
    secretFile(appFiles.databasePassword, `${secret("app-database")}\n`, readable),
    secretFile(appFiles.apiToken, `${secret("api-token")}\n`, readable),
    ...(topology.cache === undefined
      ? []
      : [secretFile(appFiles.redisPassword, `${secret("redis")}\n`, readable)]),
  ];
}

/**
 * As many good checks in a row, as far apart, as the entry wants before it sends traffic, and one
 * more: when it passes, the entry has this host back in the pool, and the next may restart.
 */
function readyProbe(topology: ServiceTopology): string[] {
  const { port, health } = topology.app;
  const check = [
    "curl -fsS -o /dev/null",
    `--max-time ${health.timeout / 1000}`,
    `--cacert ${tlsPaths("app").ca}`,
    health.method === "HEAD" ? "--head" : `-X ${health.method}`,
    `https://localhost:${port}${health.path}`,
  ].join(" ");
  const script = `for i in $(seq ${health.rise + 1}); do ${check} || exit 1; sleep ${health.interval / 1000}; done`;
  return ["sh", "-c", script];
}
