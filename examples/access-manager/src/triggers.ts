/**
 * Redis, which only says that something has changed. It may be gone for any time: publishing then does
 * nothing, subscribing comes back by itself, and the periodic version check keeps the caches right.
 */
import { readFileSync } from "node:fs";
import { Cluster, Redis } from "ioredis";
import { type Environment, readSecret } from "./environment.ts";
import { describeError, type Log } from "./log.ts";

const CHANNEL = "access-manager:changed";

export interface Triggers {
  /** Whether triggers flow now. */
  readonly connected: boolean;
  /** Tells every node, if Redis is there. Never throws, never waits. */
  publish(text: string): void;
  close(): void;
}

/** Pause before reconnecting, ms: for ever, but never more often than every two seconds. */
const retry = (times: number): number => Math.min(100 * 2 ** Math.min(times, 5), 2_000);

/** @param onMessage is called with each trigger's text, also with this node's own. */
export function openTriggers(
  redis: Environment["redis"],
  log: Log,
  onMessage: (text: string) => void,
): Triggers {
  if (redis === undefined) return { connected: false, publish: () => undefined, close: () => undefined };
  const options = nodeOptions(redis);
  const [first] = redis.nodes;
  if (first === undefined) throw new Error("environment: REDIS_NODES is empty");
  const clients =
    redis.mode === "cluster"
      ? [clusterClient(redis.nodes, options)]
      : ["publisher", "subscriber"].map(
          () =>
            new Redis({
              ...options,
              host: first.host,
              port: first.port,
              enableOfflineQueue: false,
              retryStrategy: retry,
            }),
        );
  const [publisher, subscriber = publisher] = clients;
  if (publisher === undefined || subscriber === undefined) throw new Error("no Redis client");
  let connected = false;
  const say = (now: boolean, error?: unknown): void => {
    if (now === connected) return;
    connected = now;
    if (now) log.info("redis connected");
    else
      log.warn(
        "redis lost: caches follow the version check",
        error === undefined ? {} : { error: describeError(error) },
      );
  };
  for (const client of clients) client.on("error", (error: unknown) => say(false, error));
  subscriber.on("close", () => say(false));
  subscriber.on("ready", () => {
    // After every (re)connect: subscribing twice is harmless, not being subscribed is silence.
    subscriber.subscribe(CHANNEL).then(
      () => say(true),
      (error: unknown) => say(false, error),
    );
  });
  subscriber.on("message", (_channel: string, text: string) => onMessage(text));
  return {
    get connected() {
      return connected;
    },
    publish: (text) => {
      publisher.publish(CHANNEL, text).catch(() => undefined);
    },
    close: () => clients.forEach((client) => client.disconnect()),
  };
}

/** What both kinds of client share, per connection. */
// The return type is inferred: ioredis's own types for it exclude one another under exactOptionalPropertyTypes.
function nodeOptions(redis: NonNullable<Environment["redis"]>) {
  return {
    ...(redis.passwordFile === undefined ? {} : { password: readSecret(redis.passwordFile) }),
    ...(redis.caFile === undefined ? {} : { tls: { ca: readFileSync(redis.caFile) } }),
    connectTimeout: 1_000,
    commandTimeout: 1_000,
    keepAlive: 5_000,
    maxRetriesPerRequest: 0,
  };
}

/** PUBLISH (not SPUBLISH) reaches subscribers on every node of the cluster, whichever master is down. */
function clusterClient(
  nodes: readonly { readonly host: string; readonly port: number }[],
  redisOptions: ReturnType<typeof nodeOptions>,
): Cluster {
  return new Cluster(
    nodes.map(({ host, port }) => ({ host, port })),
    {
      redisOptions,
      clusterRetryStrategy: retry,
      // A trigger that cannot be sent now is not worth memory, and is not needed.
      enableOfflineQueue: false,
      slotsRefreshTimeout: 1_000,
      retryDelayOnFailover: 100,
      maxRedirections: 3,
      // Addresses are numbers, and the certificates name them: nothing to resolve.
      dnsLookup: (address, callback) => callback(null, address),
    },
  );
}
