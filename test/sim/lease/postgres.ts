import type { Simulation } from "../../support/simulation.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";

/** A write is (timeline, index): a log is a timeline and a length, and holds its ancestors up to the forks. */
export interface Timeline {
  readonly id: number;
  readonly parent: Timeline | null;
  readonly forkAt: number;
}

export function holds(timeline: Timeline, length: number, of: Timeline, index: number): boolean {
  let log: Timeline | null = timeline;
  let end = length;
  while (log !== null && log !== of) {
    end = Math.min(end, log.forkAt);
    log = log.parent;
  }
  return log !== null && index < end;
}

export class Postgres {
  readonly host: Host;
  readonly #world: Simulation;
  readonly #network: Network;
  readonly #acknowledged: (timeline: Timeline, index: number) => void;
  peers: readonly Postgres[] = [];
  state: "stopped" | "crashed" | "running" = "stopped";
  role: "primary" | "replica" = "replica";
  hung = false;
  timeline: Timeline;
  length = 0;
  upstream: string | null = null;
  /** synchronous_standby_names: ANY `needed` of these. */
  standbys: readonly string[] = [];
  needed = 0;
  readonly confirmed = new Map<string, number>();
  readonly seenAt = new Map<string, number>();
  #acknowledgedUpTo = 0;
  #promotion = 0;
  #receivedAt = -Infinity;

  constructor(
    world: Simulation,
    network: Network,
    host: Host,
    first: Timeline,
    acknowledged: (timeline: Timeline, index: number) => void,
  ) {
    this.#world = world;
    this.#network = network;
    this.host = host;
    this.timeline = first;
    this.#acknowledged = acknowledged;
  }

  get works(): boolean {
    return this.host.works && this.state === "running" && !this.hung;
  }

  get writable(): boolean {
    return this.works && this.role === "primary";
  }

  /** Accepts and acknowledges writes of clients. */
  get serves(): boolean {
    return this.writable && this.host.gatePasses;
  }

  /** As pg_stat_wal_receiver shows it, until wal_receiver_timeout. */
  get streamsFrom(): string | null {
    return this.role === "replica" && this.#world.now - this.#receivedAt < 5000 ? this.upstream : null;
  }

  demote(): void {
    this.cancelPromotion();
    this.role = "replica";
    this.upstream = null;
  }

  stop(state: "stopped" | "crashed"): void {
    this.state = state;
    this.hung = false;
    this.demote();
  }

  start(): void {
    this.state = "running";
    this.hung = false;
    this.demote();
  }

  /**
   * Ends recovery in a while, whether Patroni lives or not. A host that is frozen in these milliseconds
   * gives it up: the model's one mercy, see docs/database-failover.md.
   */
  startPromotion(fork: () => Timeline, done: () => void): void {
    const promotion = ++this.#promotion;
    this.upstream = null;
    this.#world.after(this.#world.random.between(20, 700), () => {
      if (promotion !== this.#promotion || !this.works || this.role === "primary") return;
      this.#promote(fork());
      done();
    });
  }

  cancelPromotion(): void {
    this.#promotion++;
  }

  #promote(timeline: Timeline): void {
    this.timeline = timeline;
    this.role = "primary";
    this.upstream = null;
    this.#acknowledgedUpTo = this.length;
    this.confirmed.clear();
    this.seenAt.clear();
  }

  /** A client's commit, if its packets get here. */
  write(): void {
    if (!this.serves) return;
    this.length++;
    if (this.standbys.length === 0) this.#acknowledge(this.length);
    this.ship();
  }

  follow(leader: string): void {
    if (this.upstream === leader) return;
    this.upstream = leader;
    this.#receivedAt = -Infinity;
  }

  ship(): void {
    if (!this.writable) return;
    const { timeline, length } = this;
    for (const peer of this.peers) {
      this.#network.stream(this.host, peer.host, () => peer.receive(this, timeline, length));
    }
  }

  receive(from: Postgres, timeline: Timeline, length: number): void {
    if (!this.works || this.role !== "replica" || this.upstream !== from.host.name) return;
    // An old connection's data; the new one begins with a rewind if it has to.
    if (timeline !== from.timeline) return;
    this.#receivedAt = this.#world.now;
    if (timeline === this.timeline && length < this.length) return;
    this.timeline = timeline;
    this.length = length;
    this.#network.stream(this.host, from.host, () => from.confirm(this.host.name, timeline, length));
  }

  confirm(standby: string, timeline: Timeline, length: number): void {
    if (!this.writable || timeline !== this.timeline) return;
    this.seenAt.set(standby, this.#world.now);
    this.confirmed.set(standby, Math.max(length, this.confirmed.get(standby) ?? 0));
    if (this.standbys.length === 0) return;
    const lengths = this.standbys.map((name) => this.confirmed.get(name) ?? 0).sort((one, two) => two - one);
    this.#acknowledge(lengths[this.needed - 1] ?? 0);
  }

  /** The answer has to leave through the gate as well. */
  #acknowledge(upTo: number): void {
    if (upTo <= this.#acknowledgedUpTo || !this.serves) return;
    this.#acknowledgedUpTo = upTo;
    this.#acknowledged(this.timeline, upTo - 1);
  }
}
