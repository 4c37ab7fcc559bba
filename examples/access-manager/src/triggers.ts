/**
 * Redis, which only says that something has changed. It may be gone for any time: publishing then does
 * nothing, subscribing comes back by itself, and the periodic version check keeps the caches right.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Cluster, Redis } from "ioredis";
import { repeat } from "./deadline.ts";
import { type Environment, readSecret } from "./environment.ts";
import { describeError, type Log } from "./log.ts";

const CHANNEL = "access-manager:changed";
const PING_MS = 1_000;
// Some pings, and the pause around a master's failover (about 0.2 s to 2 s).
const SILENCE_MS = 5_000;
// A client may believe itself connected to a node that hangs, or be entangled in its retries: after so
// long without hearing itself it is replaced by a new one.
const RENEW_MS = 10_000;

type RedisSettings = NonNullable<Environment["redis"]>;
type Client = Cluster | Redis;

export interface Triggers {
  /** Whether triggers flow now: this node lately heard what it sent itself. */
  readonly connected: boolean;
  /** Tells every node, if Redis is there. Never throws, never waits. */
  publish(text: string): void;
  close(): void;
}

/** @param onMessage is called with each trigger's text, also with this node's own. */
export function openTriggers(
  redis: Environment["redis"],
  log: Log,
  onMessage: (text: string) => void,
): Triggers {
  if (redis === undefined) return { connected: false, publish: () => undefined, close: () => undefined };
  return new RedisTriggers(redis, log, onMessage);
}

class RedisTriggers implements Triggers {
  readonly #redis: RedisSettings;
  readonly #log: Log;
  readonly #onMessage: (text: string) => void;
  readonly #ping = `ping ${randomUUID()}`;
  readonly #stopPings: () => void;
  #publisher: Client;
  #subscriber: Client;
  #openedAt = performance.now();
  #heardAt = Number.NEGATIVE_INFINITY;
  #said = false;
  #lastError: unknown;

  constructor(redis: RedisSettings, log: Log, onMessage: (text: string) => void) {
    this.#redis = redis;
    this.#log = log;
    this.#onMessage = onMessage;
    [this.#publisher, this.#subscriber] = this.#open();
    this.#stopPings = repeat(
      PING_MS,
      () => this.#check(),
      () => undefined,
    );
  }

  get connected(): boolean {
    return performance.now() - this.#heardAt < SILENCE_MS;
  }

  publish(text: string): void {
    // While Redis is gone each try would cost retries over all its nodes, for nothing.
    if (this.connected) this.#send(text);
  }

  close(): void {
    this.#stopPings();
    this.#disconnect();
  }

  #send(text: string): void {
    this.#publisher.publish(CHANNEL, text).catch((error: unknown) => (this.#lastError = error));
  }

  #check(): Promise<void> {
    const { connected } = this;
    if (connected !== this.#said) {
      this.#said = connected;
      if (connected) this.#log.info("redis connected");
      else
        this.#log.warn("redis lost: caches follow the version check", {
          error: describeError(this.#lastError),
        });
    }
    const now = performance.now();
    if (!connected && now - this.#openedAt > RENEW_MS) {
      this.#disconnect();
      [this.#publisher, this.#subscriber] = this.#open();
      this.#openedAt = now;
    }
    this.#send(this.#ping);
    return Promise.resolve();
  }

  #disconnect(): void {
    this.#publisher.disconnect();
    this.#subscriber.disconnect();
  }

  #open(): readonly [Client, Client] {
    const clients = connect(this.#redis);
    const [, subscriber] = clients;
    // Errors are seen as silence; unheard they would end the process.
    for (const client of new Set(clients)) client.on("error", (error: unknown) => (this.#lastError = error));
    subscriber.on("ready", () => {
      // After every (re)connect: subscribing twice is harmless, not being subscribed is silence.
      subscriber.subscribe(CHANNEL).then(
        () => this.#send(this.#ping),
        (error: unknown) => (this.#lastError = error),
      );
    });
    subscriber.on("message", (_channel: string, text: string) => this.#onText(text));
    return clients;
  }

  #onText(text: string): void {
    if (text === this.#ping) this.#heardAt = performance.now();
    else if (!text.startsWith("ping ")) this.#onMessage(text);
  }
}

/** Pause before reconnecting, ms: never more often than every two seconds for long. */
const retry = (times: number): number => Math.min(100 * 2 ** Math.min(times, 5), 2_000);

/** Publisher and subscriber: a cluster client is both, with connections of its own for the latter. */
function connect(redis: RedisSettings): readonly [Client, Client] {
  const options = nodeOptions(redis);
  if (redis.mode === "cluster") {
    const cluster = clusterClient(redis.nodes, options);
    return [cluster, cluster];
  }
  const [first] = redis.nodes;
  if (first === undefined) throw new Error("environment: REDIS_NODES is empty");
  const { host, port } = first;
  const open = (): Redis =>
    new Redis({ ...options, host, port, enableOfflineQueue: false, retryStrategy: retry });
  return [open(), open()];
}

/** What both kinds of client share, per connection. */
// The return type is inferred: ioredis's own types for it exclude one another under exactOptionalPropertyTypes.
function nodeOptions(redis: RedisSettings) {
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
