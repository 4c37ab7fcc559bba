/** What every service needs from the environment, and its life from start to SIGTERM. */
import { readFileSync } from "node:fs";
import { Database } from "./database.ts";
import { type Environment, readSecret, servicePort } from "./environment.ts";
import { createLog, type Log } from "./log.ts";
import { RestClient, type TlsFiles } from "./rest.ts";
import { Service, type ServiceOptions } from "./service.ts";

export interface Context {
  readonly environment: Environment;
  readonly service: string;
  readonly version: string;
  readonly log: Log;
  readonly tls: TlsFiles;
  readonly token: string;
  readonly rest: RestClient;
}

/** What a service is made of: its routes, and how to let go of everything after the last request. */
export interface Parts {
  readonly routes: ServiceOptions["routes"];
  readonly close: () => Promise<void>;
}

export function createContext(environment: Environment, service: string, version: string): Context {
  const { certFile, keyFile, caFile } = environment.tls;
  const tls = { cert: readFileSync(certFile), key: readFileSync(keyFile), ca: readFileSync(caFile) };
  const token = readSecret(environment.apiTokenFile);
  const log = createLog(service, environment.nodeName);
  return { environment, service, version, log, tls, token, rest: new RestClient(tls, token) };
}

export function openDatabase(
  { environment, log }: Pick<Context, "environment" | "log">,
  poolSize: number,
): Database {
  const { host, port, name, user, passwordFile, caFile } = environment.database;
  return new Database({
    host,
    port,
    database: name,
    user,
    password: readSecret(passwordFile),
    ca: caFile === undefined ? undefined : readFileSync(caFile, "utf8"),
    poolSize,
    // Ten seconds of failover at 200 writes a second; a waiting request costs a few KiB.
    maxRequests: 2_000,
    log,
  });
}

/** URL of a service on this node, without nginx in between. */
export function localUrl(environment: Environment, service: string): string {
  return `https://127.0.0.1:${servicePort(environment, service)}/${service}`;
}

/** Base URL of a peer's services, undefined for a name that is no peer. */
export function peerUrl(environment: Environment, node: string): string | undefined {
  const peer = environment.peers.find(({ name }) => name === node);
  return peer === undefined ? undefined : `https://${peer.address}:${environment.httpsPort}`;
}

/** Serves until SIGTERM or SIGINT, then drains and lets go. */
export async function serve(context: Context, parts: Parts): Promise<void> {
  const { environment, log, tls, token } = context;
  const port = servicePort(environment, context.service);
  const { routes } = parts;
  const service = new Service({ node: environment.nodeName, port, tls, token, routes, log });
  await service.listen();
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  await service.stop(environment.drainMs);
  await parts.close();
  context.rest.close();
}
