/** The connections of one virtual client: kept alive and reused, opened when none is free, within limits. */
import { createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { buildConnector, Client } from "undici";
import type { ClientConfig } from "./config.ts";

/**
 * New kept-alive connections per second over all clients, beyond `BURST` of each. Up to that rate every
 * request that finds all connections busy gets one of its own. A service that hangs at 5,000/s would
 * otherwise be met with 5,000 TLS handshakes a second, and the generator would measure itself.
 */
const OPENED_PER_SECOND = 500;
/** What a browser opens to one host. */
const BURST = 6;
/** Over all clients; well below what an entry host of the smallest size accepts. */
const MAX_OPEN = 2000;
/** A request waits so long for a connection: it is late by then anyway (`SLOW_MS`). */
const WAIT_MS = 250;

type User = (connection: Client | null) => void;

export class Connections {
  readonly #origin: string;
  readonly #connector: buildConnector.connector;
  readonly #perMs: number;
  readonly #max: number;
  readonly #free: Client[] = [];
  readonly #all = new Set<Client>();
  readonly #waiting = new Set<User>();
  #allowed = BURST;
  #countedAt = performance.now();

  /**
   * @param trust from `trustOf`, shared by all clients: parsing the CA for each connection costs more than
   * the rest of its handshake
   * @param clients how many share the limits
   */
  constructor(config: ClientConfig, trust: SecureContext, clients: number) {
    this.#origin = config.origin;
    this.#connector = connectorWithTimeout(config.connectTimeoutMs, trust);
    this.#perMs = OPENED_PER_SECOND / 1000 / clients;
    this.#max = Math.max(BURST, Math.floor(MAX_OPEN / clients));
  }

  /** Calls `use` with a connection that nobody else uses, at once where possible; with null when none came in time. */
  take(use: User): void {
    const connection = this.#free.pop() ?? (this.#mayOpen() ? this.open() : undefined);
    if (connection !== undefined) {
      use(connection);
      return;
    }
    const user: User = (given) => {
      clearTimeout(timer);
      this.#waiting.delete(user);
      use(given);
    };
    const timer = setTimeout(() => user(this.#mayOpen() ? this.open() : null), WAIT_MS);
    this.#waiting.add(user);
  }

  /** The request on it has ended, however. */
  give(connection: Client): void {
    if (!connection.stats.connected) {
      this.drop(connection);
      return; // who waits gets one of those that still work, or opens one when its time is up
    }
    const [next] = this.#waiting;
    if (next === undefined) this.#free.push(connection);
    else next(connection);
  }

  /** A connection for one request, outside all limits: the schedule limits those. */
  open(): Client {
    // undici's own timers are only good to half a second; VirtualClient has its own.
    const options = { connect: this.#connector, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 };
    const connection = new Client(this.#origin, options);
    this.#all.add(connection);
    connection.on("disconnect", () => {
      const index = this.#free.indexOf(connection);
      if (index < 0) return; // its user learns of it by itself
      this.#free.splice(index, 1);
      this.drop(connection);
    });
    return connection;
  }

  drop(connection: Client): void {
    if (this.#all.delete(connection)) connection.destroy().catch(() => undefined);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((connection) => connection.destroy()));
  }

  #mayOpen(): boolean {
    const now = performance.now();
    this.#allowed = Math.min(BURST, this.#allowed + (now - this.#countedAt) * this.#perMs);
    this.#countedAt = now;
    if (this.#allowed < 1 || this.#all.size >= this.#max) return false;
    this.#allowed -= 1;
    return true;
  }
}

/** Whom the clients trust: the topology's CA, or the system's. */
export const trustOf = ({ ca }: Pick<ClientConfig, "ca">): SecureContext =>
  createSecureContext(ca === null ? {} : { ca });

/** TCP and TLS within the limit; undici rounds a connect timeout of 500 ms up to as much as a second. */
function connectorWithTimeout(limitMs: number, secureContext: SecureContext): buildConnector.connector {
  // Nobody resumes a TLS session: a new visitor has none.
  const connect = buildConnector({ timeout: 0, secureContext, maxCachedSessions: 0 });
  return (options, callback) => {
    const done: buildConnector.Callback = (...result) => {
      clearTimeout(timer);
      callback(...result);
    };
    // The types hide that it returns the socket; without it a connection attempt cannot be given up.
    const socket = (connect as (...args: Parameters<typeof connect>) => TLSSocket)(options, done);
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error("connect timeout"), { code: "CONNECT_TIMEOUT" }));
    }, limitMs);
    return socket;
  };
}
