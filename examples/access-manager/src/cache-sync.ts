/** Keeps the roles in memory current: trigger -> REST fetch of the one object; version check -> everything. */
import { parseTrigger, type Role, RoleCache } from "./cache.ts";
import type { Database } from "./database.ts";
import { repeat } from "./deadline.ts";
import { describeError, type Log } from "./log.ts";
import { dig, type RestClient } from "./rest.ts";
import { type Changed, loadRoles, rolesVersion } from "./roles.ts";

// A lost trigger leaves a node stale for at most about this long (R1.4).
const CHECK_MS = 2_000;

export interface CacheSyncOptions {
  readonly node: string;
  readonly database: Database;
  readonly rest: RestClient;
  /** Base URL of a peer's services by its name, undefined for a name that is no peer. */
  readonly peerUrl: (node: string) => string | undefined;
  readonly log: Log;
}

export class CacheSync {
  readonly cache = new RoleCache();
  readonly #options: CacheSyncOptions;
  readonly #stopChecks: () => void;
  #verifiedAt = Number.NEGATIVE_INFINITY;
  #generation = -1;
  #loading: Promise<void> | undefined;
  #loadAgain = false;

  constructor(options: CacheSyncOptions) {
    this.#options = options;
    const log = (error: unknown): void =>
      options.log.warn("version check failed", { error: describeError(error) });
    this.#stopChecks = repeat(CHECK_MS, () => this.check(), log);
    this.reload().catch(log);
  }

  /** Milliseconds since the cache was last known to equal the database; Infinity before the first load. */
  get ageMs(): number {
    return performance.now() - this.#verifiedAt;
  }

  stop(): void {
    this.#stopChecks();
  }

  /** This node's own change, already committed. */
  async applyOwn(id: string, { version, role }: Changed): Promise<void> {
    if (this.cache.applyObject(version, id, role)) return;
    // The change is durable: that this node shows it a moment later must not fail the request.
    await this.reload().catch((error: unknown) => {
      this.#options.log.warn("reload after a change failed", { error: describeError(error) });
    });
  }

  /** A trigger from Redis. */
  async onTrigger(text: string): Promise<void> {
    const trigger = parseTrigger(text);
    if (trigger === undefined || trigger.node === this.#options.node) return;
    const { role, version, node } = trigger;
    const what = this.cache.whatFor(version);
    if (what === "nothing") return;
    try {
      if (what === "object") {
        const fetched = await this.#fetchFromPeer(node, role);
        if (fetched?.version === version && this.cache.applyObject(version, role, fetched.role)) {
          this.#verifiedAt = performance.now();
          return;
        }
      }
      await this.reload();
    } catch (error) {
      this.#options.log.warn("refresh failed; the version check will do it", { error: describeError(error) });
    }
  }

  /** Compares versions with the database and loads everything where they differ. */
  async check(): Promise<void> {
    const { database } = this.#options;
    const begun = this.cache.changes;
    const version = await rolesVersion(database);
    // After a failover equal numbers may name different histories.
    if (database.generation !== this.#generation) return this.reload();
    if (version === this.cache.version) this.#verifiedAt = performance.now();
    else if (version > this.cache.version || begun === this.cache.changes) await this.reload();
  }

  /** Loads everything. Calls during a load share the next one: what they ask for may be newer than the first. */
  async reload(): Promise<void> {
    if (this.#loading !== undefined) {
      this.#loadAgain = true;
      return this.#loading;
    }
    this.#loading = this.#load().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  async #load(): Promise<void> {
    do {
      this.#loadAgain = false;
      const { generation } = this.#options.database;
      const begun = this.cache.changes;
      const at = performance.now();
      const snapshot = await loadRoles(this.#options.database);
      if (this.cache.applySnapshot(begun, snapshot)) {
        this.#verifiedAt = at;
        this.#generation = generation;
      }
    } while (this.#loadAgain);
  }

  async #fetchFromPeer(node: string, id: string): Promise<Changed | undefined> {
    const base = this.#options.peerUrl(node);
    if (base === undefined) return undefined;
    const url = `${base}/role-store/api/v1/cache/roles/${encodeURIComponent(id)}`;
    const answer = await this.#options.rest.call("GET", url, { timeoutMs: 1_000 }).catch(() => undefined);
    const version = dig(answer?.body, "version");
    const role = dig(answer?.body, "role");
    if (answer?.status !== 200 || typeof version !== "number") return undefined;
    return { version, role: role === null ? undefined : (role as Role) };
  }
}
