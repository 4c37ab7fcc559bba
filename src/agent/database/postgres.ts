/** Real SQL on this host's PostgreSQL, through its socket, with a deadline. */
import { Client, DatabaseError } from "pg";
import type { PostgresStatus } from "../../core/decide/lease/types.ts";

export interface ProbeSettings {
  readonly socketDirectory: string;
  readonly port: number;
  /** A superuser has connections kept for it: full slots are no reason to call PostgreSQL hung. */
  readonly user: string;
  /** For connecting and answering together, ms. */
  readonly deadlineMs: number;
  /** How long a connection is used, ms: connecting anew proves that the postmaster still makes backends. */
  readonly connectionMs: number;
}

export interface ProbeAnswer {
  readonly status: Exclude<PostgresStatus, "crashed" | "stopped">;
  /** Whom a replica streams from, as its WAL receiver knows it: an address. */
  readonly upstream: string | null;
}

/** How late the deadline's own timer may be before a missing answer says nothing, ms. */
const LATE_MS = 200;
const CANNOT_CONNECT_NOW = "57P03";

export class PostgresProbe {
  readonly #settings: ProbeSettings;
  #client: Client | null = null;
  #connectedAt = 0;

  constructor(settings: ProbeSettings) {
    this.#settings = settings;
  }

  /**
   * One probe, over within the deadline; one at a time. Never throws.
   * @returns null when nothing was learned: this process was late itself, or the connection broke
   */
  async ask(): Promise<ProbeAnswer | null> {
    const start = performance.now();
    const { deadlineMs, connectionMs } = this.#settings;
    if (start - this.#connectedAt > connectionMs) this.close();
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<"late">((resolve) => {
      timer = setTimeout(() => resolve("late"), deadlineMs);
    });
    try {
      const answer = await Promise.race([this.#query(), deadline]);
      if (answer !== "late") return answer;
      this.close();
      return performance.now() - start > deadlineMs + LATE_MS ? null : told("silent");
    } catch (error) {
      this.close();
      return judge(error as Error & { code?: string });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives the connection up, whatever it is doing. */
  close(): void {
    const client = this.#client;
    this.#client = null;
    if (client === null) return;
    // A goodbye would wait for a PostgreSQL that hangs.
    client.connection.stream.destroy();
  }

  async #query(): Promise<ProbeAnswer> {
    const client = this.#client ?? (await this.#connect());
    const { rows } = await client.query<[unknown, string | null]>({ text: QUESTION, rowMode: "array" });
    const [recovers, upstream = null] = rows[0] ?? [];
    // A gate opens by this word: nothing else may pass for it.
    if (recovers !== true && recovers !== false) throw new Error("no answer to what was asked");
    return recovers ? { status: "replica", upstream } : told("primary");
  }

  async #connect(): Promise<Client> {
    const { socketDirectory: host, port, user } = this.#settings;
    const client = new Client({ host, port, user, database: "postgres", application_name: "holdfast-agent" });
    client.on("error", () => {
      if (client === this.#client) this.#client = null;
    });
    this.#client = client;
    this.#connectedAt = performance.now();
    await client.connect();
    return client;
  }
}

const QUESTION = `select pg_is_in_recovery(),
  (select sender_host from pg_stat_wal_receiver where status = 'streaming')`;

const told = (status: ProbeAnswer["status"]): ProbeAnswer => ({ status, upstream: null });

function judge(error: Error & { code?: string }): ProbeAnswer | null {
  if (["ECONNREFUSED", "ENOENT", CANNOT_CONNECT_NOW].includes(error.code ?? "")) return told("starting");
  // An error in SQL's own words is an answer of a PostgreSQL that works.
  return error instanceof DatabaseError ? told("busy") : null;
}
