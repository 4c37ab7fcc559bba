/** The connections of one virtual client: kept alive and reused, opened when none is free, within limits. */
import { createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { buildConnector, Client } from "undici";
import type { ClientConfig } from "./config.ts";

/**
 * New kept-alive connections per second over all clients, beyond `BURST` of each. A request that finds all
 * connections busy gets a new one within this rate, and is left out beyond it: a service that hangs would
 * otherwise be met with a TLS handshake for every request, and the generator would measure itself. At 500/s
 * half of the requests meet the hang then, at 5,000/s a twentieth: more than enough to see it begin and end.
 */
const OPENED_PER_SECOND = 250;
/**
 * A client that has no connection at all may open one so long after its last. While a service refuses or
 * resets what comes, every request needs a new one: this is how finely such a client sees the end of it.
 */
const LONE_MS = 20;
/** Connections that a client may open at once: more, and the handshakes of all clients would fall together. */
const BURST = 2;
/** Over all clients; well below what an entry host of the smallest size accepts. */
const MAX_OPEN = 1000;

export interface Sharing {
  /** How many clients share the limits. */
  readonly clients: number;
  /** TLS sessions are resumed, as browsers do it; a new visitor has none. */
  readonly resume: boolean;
}

export class Connections {
  readonly #origin: string;
  readonly #connector: buildConnector.connector;
  readonly #perMs: number;
  readonly #max: number;
  readonly #free: Client[] = [];
  readonly #all = new Set<Client>();
  #allowed = BURST;
  #countedAt = performance.now();
  #openedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param trust from `trustOf`, shared by all clients: parsing the CA for each connection costs more than
   * the rest of its handshake
   */
  constructor(config: ClientConfig, trust: SecureContext, { clients, resume }: Sharing) {
    this.#origin = config.origin;
    this.#connector = connectorWithTimeout(config.connectTimeoutMs, trust, resume);
    this.#perMs = OPENED_PER_SECOND / 1000 / clients;
    this.#max = Math.max(BURST, Math.floor(MAX_OPEN / clients));
  }

  /** @returns a connection that nobody else uses, null where the limits allow no more */
  take(): Client | null {
    return this.#free.pop() ?? (this.#mayOpen() ? this.open() : null);
  }

  /** The request on it has ended, however. */
  give(connection: Client): void {
    if (connection.stats.connected) this.#free.push(connection);
    else this.drop(connection);
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
    const isLone = this.#all.size === 0 && now - this.#openedAt >= LONE_MS;
    if (!isLone && (this.#allowed < 1 || this.#all.size >= this.#max)) return false;
    this.#allowed = Math.max(0, this.#allowed - 1);
    this.#openedAt = now;
    return true;
  }
}

/** Whom the clients trust: the topology's CA, or the system's. */
export const trustOf = ({ ca }: Pick<ClientConfig, "ca">): SecureContext =>
  createSecureContext(ca === null ? {} : { ca });

/** TCP and TLS within the limit; undici rounds a connect timeout of 500 ms up to as much as a second. */
function connectorWithTimeout(
  limitMs: number,
  secureContext: SecureContext,
  resume: boolean,
): buildConnector.connector {
  const connect = buildConnector({ timeout: 0, secureContext, maxCachedSessions: resume ? 1 : 0 });
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
