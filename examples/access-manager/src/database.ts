/**
 * PostgreSQL through the host's database proxy, across failovers.
 *
 * A request gives its work as a function and a deadline. The work is tried until it succeeds, fails for
 * good, or time is up. Because a COMMIT may be lost on its way back, work must be safe to run twice.
 * While the primary is gone one probe looks for it and all requests wait for that probe, instead of each
 * of them hammering the proxy.
 */
import { Client, type ClientBase, type ClientConfig, Pool, type PoolClient, type QueryResult } from "pg";
import { repeat, sleep, until } from "./deadline.ts";
import { describeError, type Log } from "./log.ts";
import { backoffMs, classify, DeadlineExceeded, NotPrimary, OutcomeUnknown, Overloaded } from "./retry.ts";
import { Slots } from "./slots.ts";

export type Rows = QueryResult<Record<string, unknown>>;
export type Query = (text: string, values?: readonly unknown[]) => Promise<Rows>;

export interface DatabaseOptions {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** PEM of the CA that the server's certificate must chain to; undefined: no TLS. */
  readonly ca: string | undefined;
  readonly poolSize: number;
  /** Requests that may be in progress or waiting; beyond that `run` throws Overloaded. */
  readonly maxRequests: number;
  readonly log: Log;
}

/** Longer than any failover measured (10 s objective), shorter than nginx's and the balancer's 30 s. */
export const REQUEST_DEADLINE_MS = 15_000;
// The proxy is on this host: a connect that takes a second has met a server that hangs.
const CONNECT_TIMEOUT_MS = 1_000;
// How often work that has not ended is compared with a fresh connection to see whether its server lives.
const WATCHDOG_MS = 2_000;
// Whatever the reason, no connection is held by one try for longer. Not shorter, because a commit that
// waits for its synchronous replica keeps its backend busy after we let go: quick retries would pile up.
const ATTEMPT_LIMIT_MS = 60_000;

/** What is known of one pooled connection. */
interface Connection {
  readonly client: ClientBase;
  /** Connections of an older generation may lead to a server that is no longer the primary. */
  readonly generation: number;
  /** Which server process it leads to. */
  server?: string;
  unsynchronized: boolean;
}

export class Database {
  readonly #options: DatabaseOptions;
  readonly #pool: Pool;
  readonly #slots: Slots;
  readonly #connections = new WeakMap<ClientBase, Connection>();
  readonly #inUse = new Set<Connection>();
  #generation = 0;
  #outage: Promise<void> | undefined;
  #probe: Promise<string> | undefined;
  #requests = 0;
  #lastSuccess = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#slots = new Slots(options.poolSize);
    this.#pool = new Pool({ ...this.#clientConfig(), max: options.poolSize, idleTimeoutMillis: 60_000 });
    // An idle connection that breaks is dropped by the pool; without a listener it would end the process.
    this.#pool.on("error", (error) =>
      options.log.info("idle connection lost", { error: describeError(error) }),
    );
  }

  /** Milliseconds since work last succeeded; Infinity before the first time. */
  get lastSuccessAgeMs(): number {
    return performance.now() - this.#lastSuccess;
  }

  /** Changes whenever the connection to the primary was lost: what was read before may be of another history. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Runs `work`, again after a failover, until it succeeds or `deadlineMs` has passed.
   * @throws DeadlineExceeded (the outcome is unknown), Overloaded (nothing was done), or what failed for good.
   */
  async run<T>(work: (query: Query) => Promise<T>, deadlineMs = REQUEST_DEADLINE_MS): Promise<T> {
    if (this.#closed) throw new Overloaded("the service is stopping");
    if (this.#requests >= this.#options.maxRequests)
      throw new Overloaded("too many requests wait for the database");
    this.#requests += 1;
    try {
      return await this.#runUntil(performance.now() + deadlineMs, work);
    } finally {
      this.#requests -= 1;
    }
  }

  /** `run` with the work inside BEGIN … COMMIT. */
  transaction<T>(work: (query: Query) => Promise<T>, deadlineMs = REQUEST_DEADLINE_MS): Promise<T> {
    return this.run(async (query) => {
      await query("BEGIN");
      // After an error the connection is closed (see #attempt), and that rolls back.
      const result = await work(query);
      const { command } = await query("COMMIT");
      // COMMIT of a transaction that has failed answers ROLLBACK, without an error.
      if (command !== "COMMIT") throw new OutcomeUnknown(`COMMIT was answered by ${command}`);
      return result;
    }, deadlineMs);
  }

  /**
   * A connection of its own, outside the pool and without its care: for who wants to see what becomes of it.
   * Not connected yet; its user closes it with `destroy`.
   */
  session(): Client {
    return new Client(this.#clientConfig());
  }

  /** Ends every connection at once: what is still in progress belongs to requests that have given up. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { client } of this.#inUse) destroy(client);
    await this.#pool.end();
  }

  async #runUntil<T>(deadline: number, work: (query: Query) => Promise<T>): Promise<T> {
    let last: unknown;
    for (let attempt = 0; ; attempt += 1) {
      try {
        while (this.#outage !== undefined) await until(deadline, this.#outage, "waiting for the primary");
        return await until(deadline, this.#attempt(deadline, work), "waiting for the database");
      } catch (error) {
        if (error instanceof DeadlineExceeded && last !== undefined) error.cause ??= last;
        if (error instanceof DeadlineExceeded || classify(error) === "fail" || this.#closed) throw error;
        last = error;
      }
      await until(deadline, sleep(backoffMs(attempt, Math.random())), "pausing before a retry");
    }
  }

  /** One try on one connection. It may outlive the request that asked for it, but never starts after its deadline. */
  async #attempt<T>(deadline: number, work: (query: Query) => Promise<T>): Promise<T> {
    const giveBack = await this.#slots.take();
    const generation = this.#generation;
    let connection: Connection | undefined;
    let healthy = false;
    let stopWatchdog: (() => void) | undefined;
    try {
      connection = await this.#connect();
      this.#inUse.add(connection);
      stopWatchdog = this.#watch(connection);
      connection.server ??= await identify(connection.client);
      if (performance.now() >= deadline)
        throw new DeadlineExceeded("ran out of time: waiting for a connection");
      const { client } = connection;
      const result = await work((text, values = []) => client.query(text, [...values]));
      if (connection.unsynchronized) throw new OutcomeUnknown("the commit did not wait for its replica");
      healthy = true;
      this.#lastSuccess = performance.now();
      return result;
    } catch (error) {
      if (classify(error) === "lost") this.#noteLost(generation, error);
      throw error;
    } finally {
      stopWatchdog?.();
      if (connection !== undefined) {
        this.#inUse.delete(connection);
        // After any error the connection is closed, not reused: its transaction may still be open.
        if (!healthy) destroy(connection.client);
        (connection.client as PoolClient).release(!healthy);
      }
      giveBack();
    }
  }

  /** A connection of the current generation; older ones are closed on the way. */
  async #connect(): Promise<Connection> {
    for (;;) {
      const generation = this.#generation;
      const client = await this.#pool.connect();
      const known = this.#connections.get(client);
      if (known === undefined) return this.#remember(client, generation);
      if (known.generation === this.#generation) return known;
      destroy(client);
      client.release(true);
    }
  }

  #remember(client: ClientBase, generation: number): Connection {
    const connection: Connection = { client, generation, unsynchronized: false };
    this.#connections.set(client, connection);
    // While checked out the pool does not listen; the query that is in progress reports the error anyway.
    client.on("error", () => undefined);
    client.on("notice", (notice) => {
      // "canceling wait for synchronous replication": committed here, perhaps nowhere else. Recognized
      // by the server's routine, because it has no SQLSTATE of its own and its text is translated.
      if (notice.routine === "SyncRepWaitForLSN") connection.unsynchronized = true;
    });
    return connection;
  }

  /** Closes a connection whose server is gone without a word; leaves one alone whose server is merely slow. */
  #watch(connection: Connection): () => void {
    const started = performance.now();
    const check = async (): Promise<void> => {
      const same = (await this.#probeOnce().catch(() => undefined)) === connection.server;
      if (!same || performance.now() - started > ATTEMPT_LIMIT_MS) destroy(connection.client);
    };
    return repeat(WATCHDOG_MS, check, () => undefined);
  }

  /** The first to notice starts the search; reports about connections of the time before it change nothing. */
  #noteLost(generation: number, error: unknown): void {
    if (generation !== this.#generation || this.#closed) return;
    this.#generation += 1;
    this.#options.log.warn("database connection lost", { error: describeError(error) });
    this.#outage = this.#findPrimary().finally(() => (this.#outage = undefined));
  }

  async #findPrimary(): Promise<void> {
    const since = performance.now();
    for (let attempt = 0; !this.#closed; attempt += 1) {
      try {
        await this.#probeOnce();
        this.#options.log.info("database primary found", { afterMs: Math.round(performance.now() - since) });
        return;
      } catch {
        await sleep(backoffMs(attempt, Math.random(), 25, 100));
      }
    }
  }

  /** Which server is the primary now, over a connection of its own. One probe at a time serves all who ask. */
  #probeOnce(): Promise<string> {
    this.#probe ??= this.#askServer().finally(() => (this.#probe = undefined));
    return this.#probe;
  }

  async #askServer(): Promise<string> {
    const client = new Client(this.#clientConfig());
    client.on("error", () => undefined);
    const deadline = performance.now() + 2 * CONNECT_TIMEOUT_MS;
    try {
      const asked = client.connect().then(() => identify(client));
      return await until(deadline, asked, "probing the database");
    } finally {
      destroy(client);
    }
  }

  #clientConfig(): ClientConfig {
    const { host, port, database, user, password, ca } = this.#options;
    return {
      host,
      port,
      database,
      user,
      password,
      ...(ca === undefined ? {} : { ssl: { ca, rejectUnauthorized: true } }),
      application_name: "access-manager",
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      statement_timeout: 10_000,
      lock_timeout: 5_000,
      // If this process hangs in a transaction, its row locks must not outlive the others' deadlines.
      idle_in_transaction_session_timeout: 10_000,
      // A 2xx promises durability, whatever a role's or the database's default says.
      options: "-c synchronous_commit=on",
    };
  }
}

/** Names the server process behind a connection. @throws NotPrimary when it cannot take writes. */
async function identify(client: ClientBase): Promise<string> {
  const { rows } = await client.query<{ writable: boolean; server: string }>(
    `SELECT NOT pg_is_in_recovery() AS writable,
       concat_ws(' ', inet_server_addr(), inet_server_port(), pg_postmaster_start_time()) AS server`,
  );
  const [row] = rows;
  if (row?.writable !== true) throw new NotPrimary("the server is a replica");
  return row.server;
}

/** Closes the socket at once: a polite goodbye to a dead server would wait for its answer. */
export function destroy(client: ClientBase): void {
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
}
