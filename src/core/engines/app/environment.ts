import { everyAppHost } from "../../topology/pool.ts";
import type { ServiceTopology } from "../../topology/schema.ts";
import { addressOf } from "../address.ts";
import { readOnlyPort } from "../haproxy/database.ts";
import { tlsPaths } from "../tls.ts";

export const appFiles = {
  environment: "/etc/holdfast/app/environment",
  databasePassword: "/etc/holdfast/app/database-password",
  redisPassword: "/etc/holdfast/app/redis-password",
  apiToken: "/etc/holdfast/app/api-token",
} as const;

export const appDirectory = (name: string): string => `/opt/${name}`;

export const releaseDirectory = (name: string, version: string): string =>
  `${appDirectory(name)}/releases/${version}`;

export const packagePath = (name: string, version: string): string =>
  `/var/lib/holdfast/packages/${name}-${version}.tar.gz`;

/** What the app is told, as ARCHITECTURE.md lists it; read by systemd and by shells, so values need no quotes. */
export function environmentFile(topology: ServiceTopology, host: string): string {
  const { app, database } = topology;
  const tls = tlsPaths("app");
  const variables: Record<string, string | number> = {
    NODE_NAME: host,
    NODE_ADDRESS: addressOf(topology, host),
    PEERS: everyAppHost(topology)
      .filter((name) => name !== host)
      .map((name) => `${name}=${addressOf(topology, name)}`)
      .join(","),
    HTTPS_PORT: app.port,
    SERVICE_PORTS: app.services.map(({ name, port }) => `${name}=${port}`).join(","),
    TLS_CERT_FILE: tls.certificate,
    TLS_KEY_FILE: tls.key,
    TLS_CA_FILE: tls.ca,
    API_TOKEN_FILE: appFiles.apiToken,
    DATABASE_HOST: "127.0.0.1",
    DATABASE_PORT: database.port,
    DATABASE_PORT_READONLY: readOnlyPort(topology),
    DATABASE_NAME: database.name,
    DATABASE_USER: database.user,
    DATABASE_PASSWORD_FILE: appFiles.databasePassword,
    DATABASE_CA_FILE: tls.ca,
    ...cacheVariables(topology),
    ...storageVariables(topology),
  };
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  return `# Written by Holdfast.\n${lines.join("\n")}\n`;
}

function cacheVariables(topology: ServiceTopology): Record<string, string> {
  const { cache } = topology;
  if (cache === undefined) return {};
  const ports = cache.mode === "cluster" ? [cache.port, cache.port + 1] : [cache.port];
  const hosts = cache.mode === "cluster" ? cache.hosts : cache.hosts.slice(0, 1);
  return {
    REDIS_MODE: cache.mode,
    REDIS_NODES: hosts
      .flatMap((host) => ports.map((port) => `${addressOf(topology, host)}:${port}`))
      .join(","),
    REDIS_PASSWORD_FILE: appFiles.redisPassword,
    REDIS_CA_FILE: tlsPaths("app").ca,
  };
}

/** On shared storage the app must not write when it is not mounted: what it wrote would be hidden later. */
function storageVariables({ storage }: ServiceTopology): Record<string, string> {
  if (storage === undefined) return {};
  return {
    TRAIL_DIR: storage.mount,
    TRAIL_REQUIRE_MOUNT: storage.source.kind === "local" ? "0" : "1",
  };
}
