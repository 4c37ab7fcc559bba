/** The environment that the host gives the app (/etc/holdfast/app/environment), parsed and checked. */
import { readFileSync } from "node:fs";

export interface Peer {
  readonly name: string;
  readonly address: string;
}

export interface Environment {
  readonly nodeName: string;
  readonly peers: readonly Peer[];
  readonly database: {
    readonly host: string;
    readonly port: number;
    readonly name: string;
    readonly user: string;
    readonly passwordFile: string;
    /** CA that the server's certificate is verified with; undefined only without TLS (a test's server). */
    readonly caFile: string | undefined;
  };
  readonly redis:
    | {
        readonly mode: "cluster" | "single";
        readonly nodes: readonly { readonly host: string; readonly port: number }[];
        readonly passwordFile: string | undefined;
        readonly caFile: string | undefined;
      }
    | undefined;
  readonly trailDir: string;
  readonly trailRequireMount: boolean;
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
  readonly servicePorts: ReadonlyMap<string, number>;
  readonly httpsPort: number;
  readonly apiTokenFile: string;
  /** How long a service that stops goes on serving while its status fails, ms. */
  readonly drainMs: number;
}

/** Two failed health checks at 500 ms take a node out of the pool; then no new requests come. */
const DRAIN_MS = 1_500;

/** Where the trail goes without shared storage: made by the unit (StateDirectory=). */
const OWN_TRAIL_DIR = "/var/lib/access-manager/trail";

export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * @throws Error that names every missing or malformed variable at once; never a value, which may be secret.
 */
export function parseEnvironment(variables: Variables): Environment {
  const mistakes: string[] = [];
  const optional = (name: string): string | undefined => variables[name]?.trim() || undefined;
  const text = (name: string): string => {
    const value = optional(name);
    if (value === undefined) mistakes.push(`${name} is not set`);
    return value ?? "";
  };
  const port = (name: string, value = text(name)): number => {
    const number = Number(value);
    if (value !== "" && !(Number.isInteger(number) && number > 0 && number < 65536)) {
      mistakes.push(`${name} is not a port number`);
    }
    return number;
  };
  const list = (name: string, value: string): [string, string][] =>
    splitList(value).map((item) => {
      const at = item.lastIndexOf(name === "REDIS_NODES" ? ":" : "=");
      if (at <= 0) mistakes.push(`${name} has a malformed item`);
      return [item.slice(0, at), item.slice(at + 1)];
    });
  const trailDir = optional("TRAIL_DIR");
  const redisNodes = optional("REDIS_NODES");
  const environment: Environment = {
    nodeName: text("NODE_NAME"),
    peers: list("PEERS", optional("PEERS") ?? "").map(([name, address]) => ({ name, address })),
    database: {
      host: text("DATABASE_HOST"),
      port: port("DATABASE_PORT"),
      name: text("DATABASE_NAME"),
      user: text("DATABASE_USER"),
      passwordFile: text("DATABASE_PASSWORD_FILE"),
      caFile: optional("DATABASE_CA_FILE"),
    },
    redis:
      redisNodes === undefined
        ? undefined // a topology without a cache tier: the periodic version check alone keeps nodes in sync
        : {
            mode: optional("REDIS_MODE") === "single" ? "single" : "cluster",
            nodes: list("REDIS_NODES", redisNodes).map(([host, value]) => ({
              host,
              port: port("REDIS_NODES", value),
            })),
            passwordFile: optional("REDIS_PASSWORD_FILE"),
            caFile: optional("REDIS_CA_FILE"),
          },
    trailDir: trailDir ?? OWN_TRAIL_DIR,
    trailRequireMount: trailDir !== undefined && optional("TRAIL_REQUIRE_MOUNT") !== "0",
    tls: { certFile: text("TLS_CERT_FILE"), keyFile: text("TLS_KEY_FILE"), caFile: text("TLS_CA_FILE") },
    servicePorts: new Map(
      list("SERVICE_PORTS", text("SERVICE_PORTS")).map(([name, value]) => [
        name,
        port("SERVICE_PORTS", value),
      ]),
    ),
    httpsPort: port("HTTPS_PORT", optional("HTTPS_PORT") ?? "443"),
    apiTokenFile: text("API_TOKEN_FILE"),
    drainMs: Number(optional("DRAIN_MS") ?? DRAIN_MS),
  };
  if (!(environment.drainMs >= 0)) mistakes.push("DRAIN_MS is not a number of milliseconds");
  if (mistakes.length > 0) throw new Error(`environment: ${mistakes.join("; ")}`);
  return environment;
}

const splitList = (value: string): string[] =>
  value
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");

/** KEY=VALUE lines as systemd's EnvironmentFile= reads them: comments, blank lines and one pair of quotes. */
export function readEnvironmentFile(path: string): Variables {
  const variables: Record<string, string> = {};
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [, name, value = ""] = /^\s*([A-Za-z_]\w*)=(.*)$/.exec(line) ?? [];
    if (name !== undefined) variables[name] = value.trim().replace(/^(["'])(.*)\1$/, "$2");
  }
  return variables;
}

/** The secret in a file, without the newline that editors add. @throws when the file is empty. */
export function readSecret(path: string): string {
  const secret = readFileSync(path, "utf8").trimEnd();
  if (secret === "") throw new Error(`${path} is empty`);
  return secret;
}

/** @throws when the service has no port in SERVICE_PORTS. */
export function servicePort(environment: Environment, service: string): number {
  const port = environment.servicePorts.get(service);
  if (port === undefined) throw new Error(`environment: SERVICE_PORTS has no ${service}`);
  return port;
}
