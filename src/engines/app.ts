import { appDirectory } from "../core/engines/app/environment.ts";
import { tlsPaths } from "../core/engines/tls.ts";
import type { ServiceTopology } from "../core/topology/schema.ts";
import type { Host } from "../ports.ts";
import { observeHaproxy, type HaproxyServer } from "./haproxy.ts";
import {
  observeHost,
  observeTimeoutMs,
  outputOf,
  packageVersions,
  unitStates,
  type Observed,
} from "./observed.ts";

export interface AppStatus {
  /** Of the app's own unit, nginx and the local database proxy. */
  readonly units: { readonly app: string; readonly nginx: string; readonly haproxy: string };
  /** The release in use; null when none is installed. */
  readonly version: string | null;
  /** Answer of the health path on this host: "200", another status, or why there was none. */
  readonly health: string;
  readonly healthy: boolean;
  /** The database hosts as this host's proxy sees them; null when it does not answer. */
  readonly database: readonly HaproxyServer[] | null;
  /** By package: nginx-light, haproxy. */
  readonly versions: Readonly<Record<string, string>>;
}

/** What an app host does now. Every question is bounded in time. */
export async function observeApp(host: Host, topology: ServiceTopology): Promise<Observed<AppStatus>> {
  return observeHost(host, async () => {
    const [release, health, database, versions, [app, nginx, haproxy]] = await Promise.all([
      outputOf(host, ["readlink", `${appDirectory(topology.app.name)}/current`]),
      askHealth(host, topology),
      observeHaproxy(host),
      packageVersions(host, ["nginx-light", "haproxy"]),
      unitStates(host, [topology.app.unit, "nginx.service", "haproxy.service"]),
    ]);
    return {
      units: { app, nginx, haproxy },
      version: release?.trim().split("/").at(-1) ?? null,
      health,
      healthy: health === "200",
      database: database?.filter(({ backend }) => backend.startsWith("database_")) ?? null,
      versions,
    };
  });
}

async function askHealth(host: Host, { app }: ServiceTopology): Promise<string> {
  const method = app.health.method === "HEAD" ? ["--head"] : ["-X", app.health.method];
  const { code, stdout, stderr } = await host.run(
    [
      "curl",
      "-sS",
      "-o",
      "/dev/null",
      "-w",
      "%{http_code}",
      "--max-time",
      String(Math.min(app.health.timeout, observeTimeoutMs - 1000) / 1000),
      "--cacert",
      tlsPaths("app").ca,
      ...method,
      `https://localhost:${app.port}${app.health.path}`,
    ],
    { timeoutMs: observeTimeoutMs },
  );
  return code === 0 ? stdout.trim() : stderr.trim().replace(/^curl: \(\d+\) /, "");
}
