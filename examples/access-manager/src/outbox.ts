/**
 * Delivers audit events that were committed with their change to the trail-store. A row is deleted only
 * after the trail has it on storage, so none is lost; a crash in between delivers it twice, with the same
 * id. Any node may deliver any event: SKIP LOCKED keeps them out of each other's way.
 */
import type { Database } from "./database.ts";
import { repeat } from "./deadline.ts";
import { describeError, type Log } from "./log.ts";
import type { RestClient } from "./rest.ts";

const RETRY_MS = 2_000;
const BATCH = 100;
// Less than the database's idle_in_transaction_session_timeout: rows stay locked during the call.
const CALL_MS = 5_000;

export class Outbox {
  readonly #database: Database;
  readonly #deliver: (events: readonly unknown[]) => Promise<void>;
  readonly #log: Log;
  readonly stop: () => void;
  #running: Promise<void> | undefined;
  #failing = false;

  constructor(database: Database, rest: RestClient, trailUrl: string, log: Log) {
    this.#database = database;
    this.#log = log;
    this.#deliver = async (events) => {
      const answer = await rest.call("POST", trailUrl, { timeoutMs: CALL_MS, body: { events } });
      if (answer.status !== 201) throw new Error(`trail-store answered ${answer.status}`);
    };
    this.stop = repeat(
      RETRY_MS,
      () => this.flush(),
      () => undefined,
    );
  }

  /** Delivers what waits, if anything; never throws (the next round tries again). */
  flush(): Promise<void> {
    this.#running ??= this.#flushAll().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #flushAll(): Promise<void> {
    try {
      while ((await this.#flushBatch()) === BATCH);
      if (this.#failing) this.#log.info("audit events are delivered again");
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#log.warn("audit events wait for the trail", { error: describeError(error) });
      this.#failing = true;
    }
  }

  async #flushBatch(): Promise<number> {
    return this.#database.transaction(async (query) => {
      const { rows } = await query(
        "SELECT id, event FROM audit_outbox ORDER BY sequence LIMIT $1 FOR UPDATE SKIP LOCKED",
        [BATCH],
      );
      if (rows.length > 0) {
        await this.#deliver(rows.map((row) => row["event"]));
        await query("DELETE FROM audit_outbox WHERE id = ANY($1::uuid[])", [rows.map((row) => row["id"])]);
      }
      return rows.length;
    });
  }
}
