/** The witness lease: of two hosts that both are VRRP master, etcd says which one counts. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Lease } from "../core/decide/address/types.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Reporter } from "../ports.ts";
import type { WitnessStore } from "./witness-store.ts";

export interface WitnessParts {
  readonly self: string;
  readonly ttlMs: number;
  readonly store: WitnessStore;
  /** The lease is another's than before. */
  readonly onChange: () => void;
  readonly reporter: Reporter;
  /** Monotonic, ms. */
  readonly now: () => number;
}

/** Renewed or looked at so often in a time to live. */
const TURNS = 6;

/** Takes the lease while this host is master and gives it back when it is not. */
export class Witness {
  readonly #parts: WitnessParts;
  #wanted = false;
  /** Counted from before the request that it was granted or renewed by: etcd's own count began later. */
  #mine: { readonly leaseId: string; readonly until: number } | null = null;
  #other = false;
  #told: Lease = "none";
  #wake = new AbortController();
  #lastProblem = "";

  constructor(parts: WitnessParts) {
    this.#parts = parts;
  }

  /** `none` also while etcd cannot be asked. */
  get lease(): Lease {
    if (this.#mine !== null && this.#parts.now() < this.#mine.until) return "mine";
    return this.#other ? "other" : "none";
  }

  /** @param master whether this host is VRRP master and healthy */
  want(master: boolean): void {
    if (master === this.#wanted) return;
    this.#wanted = master;
    this.#wake.abort();
  }

  /** Until `signal` aborts; gives the lease back then. */
  async run(signal: AbortSignal): Promise<void> {
    const { store, ttlMs } = this.#parts;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      await this.#turn();
      this.#tell();
      // What was wanted meanwhile has aborted the new one.
      await this.#rest(ttlMs / TURNS, AbortSignal.any([signal, this.#wake.signal]));
    }
    if (this.#mine !== null) await store.giveBack(this.#mine.leaseId).catch(() => undefined);
  }

  /** Ends early when the lease runs out: the controller must know at once. */
  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const left = this.#mine === null ? Infinity : this.#mine.until - this.#parts.now();
    await sleep(Math.max(1, Math.min(ms, left)), undefined, { signal }).catch(() => undefined);
    this.#tell();
  }

  async #turn(): Promise<void> {
    try {
      await (this.#mine === null ? this.#look() : this.#keep(this.#mine.leaseId));
      this.#lastProblem = "";
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#other = false;
      // Ours stays so until it has run out: etcd lets nobody else have it before.
      if (this.#mine !== null && this.#parts.now() >= this.#mine.until) this.#mine = null;
      if (error.message !== this.#lastProblem) this.#parts.reporter.warn(`witness: ${error.message}`);
      this.#lastProblem = error.message;
    }
  }

  async #look(): Promise<void> {
    const { store, self, ttlMs, now } = this.#parts;
    let holder = await store.holder();
    if (holder === null && this.#wanted) {
      const asked = now();
      holder = await store.take();
      if (holder !== null) this.#mine = { leaseId: holder.leaseId, until: asked + ttlMs };
      else holder = await store.holder();
    } else if (holder?.host === self) {
      // This host's, from before its agent was restarted, or from a write whose answer was lost.
      if (this.#wanted) await this.#keep(holder.leaseId);
      else await store.giveBack(holder.leaseId);
    }
    this.#other = holder !== null && holder.host !== self;
  }

  async #keep(leaseId: string): Promise<void> {
    const { store, ttlMs, now } = this.#parts;
    this.#other = false;
    if (!this.#wanted) {
      this.#mine = null; // first: from here on this host counts on it no more
      this.#tell();
      await store.giveBack(leaseId);
      return;
    }
    const asked = now();
    this.#mine = (await store.renew(leaseId)) ? { leaseId, until: asked + ttlMs } : null;
  }

  #tell(): void {
    const { lease } = this;
    if (lease === this.#told) return;
    this.#told = lease;
    this.#parts.onChange();
  }
}
