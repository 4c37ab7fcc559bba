import type { Simulation } from "../../support/simulation.ts";
import { ttlMs, type Etcd, type SyncKey } from "./etcd.ts";
import type { Network } from "./network.ts";
import type { Postgres, Timeline } from "./postgres.ts";
import type { Process } from "./process.ts";

const loopMs = 1000;
const retryMs = 3000;

export interface PatroniWorld {
  readonly world: Simulation;
  readonly network: Network;
  readonly etcd: Etcd;
  newTimeline(parent: Timeline, forkAt: number): Timeline;
  promoted(postgres: Postgres): void;
  /** It has just kept its key alive, or seen that another leads and demoted. */
  patroniInformed(patroni: Patroni): void;
  /** Largest delay of a loop: quiet times have none. */
  stallMs(): number;
}

/** Patroni 4.1 with synchronous mode, as far as it is known from its code and from the trials. */
export class Patroni {
  readonly postgres: Postgres;
  readonly process: Process;
  readonly #at: PatroniWorld;
  peers: readonly Patroni[] = [];
  #lease: string | null = null;
  #epoch = 0;
  /** When a leader last said, past etcd, that it still leads: not to be run against for a ttl. */
  #failsafeAt = -Infinity;
  /** It leads by its failsafe: what GET /patroni says. */
  failsafe = false;
  #promoting = false;
  /** Stops PostgreSQL for a switchover, and does nothing else but keep its key. */
  #demoting = false;
  #waiting = false;

  constructor(at: PatroniWorld, postgres: Postgres) {
    this.#at = at;
    this.postgres = postgres;
    this.process = postgres.host.process();
    at.etcd.watch(postgres.host, () => {
      this.process.run(() => {
        if (this.#waiting) this.#loop();
      });
    });
  }

  get name(): string {
    return this.postgres.host.name;
  }

  start(): void {
    this.process.start();
    this.#lease = null;
    this.failsafe = false;
    this.#promoting = false;
    this.#demoting = false;
    this.#epoch++;
    this.#loop();
  }

  #loop(): void {
    const epoch = ++this.#epoch;
    this.#waiting = false;
    const { world, etcd } = this.#at;
    const next = (): void => {
      this.#waiting = true;
      const stall = world.random.chance(0.003) ? world.random.between(0, this.#at.stallMs()) : 0;
      this.process.after(loopMs + stall, () => {
        if (epoch === this.#epoch) this.#loop();
      });
    };
    const askedAt = world.now;
    let done = false;
    this.process.after(retryMs, () => {
      if (done) return;
      done = true;
      this.#withoutEtcd();
      next();
    });
    etcd.request(
      this.postgres.host,
      () => ({ leader: etcd.leader, sync: etcd.sync }),
      ({ leader, sync }) =>
        this.process.run(() => {
          // What it was told before it was stopped is not acted upon: it is past its own deadline.
          if (done || epoch !== this.#epoch || world.now - askedAt > retryMs) return;
          const end = (): void => {
            if (done) return;
            done = true;
            next();
          };
          if (this.#demoting && leader?.lease !== this.#lease) end();
          else if (leader === null) this.#race(sync, end);
          else if (leader.host !== this.name) {
            this.#follow(leader.host);
            end();
          } else if (leader.lease === this.#lease) this.#keepLeading(leader.lease, sync, end);
          else this.#acquire(sync, true, end);
        }),
    );
  }

  #keepLeading(lease: string, sync: SyncKey | null, end: () => void): void {
    const { world, etcd } = this.#at;
    const askedAt = world.now;
    etcd.request(
      this.postgres.host,
      () => etcd.keepAlive(lease),
      (alive) =>
        this.process.run(() => {
          this.failsafe = false;
          if (alive && world.now - askedAt < retryMs) this.#at.patroniInformed(this);
          if (alive && !this.#demoting) this.#bePrimary(sync);
          else if (!alive && this.#demoting) this.#recreate();
          else if (!alive) this.#lease = null;
          end();
        }),
    );
  }

  /** Patroni's update of a key that went meanwhile makes it anew, whatever PostgreSQL is doing. */
  #recreate(): void {
    const { etcd } = this.#at;
    this.#lease = null;
    etcd.request(
      this.postgres.host,
      () => etcd.acquire(this.name, false),
      (lease) =>
        this.process.run(() => {
          if (lease !== null) this.#lease = lease;
        }),
    );
  }

  /**
   * A shutdown that is looked for once a second, then the key is given away, whoever has it by now under
   * this name; two seconds later it starts as a replica.
   */
  #handOver(): void {
    const { world, etcd } = this.#at;
    const { postgres } = this;
    const { random } = world;
    this.#demoting = true;
    const ready = this.peers.some(
      (peer) => peer.process.running && peer.postgres.works && this.#reaches(peer),
    );
    const over = (): void => {
      this.#demoting = false;
    };
    if (!ready) {
      etcd.request(postgres.host, () => (etcd.switchover = null), ignore);
      return over();
    }
    const stopped = random.between(30, 800);
    this.process.after(stopped, () => {
      if (postgres.state === "running" && !postgres.hung) postgres.stop("stopped");
    });
    this.process.after(stopped + random.between(0, 1000), () => {
      etcd.request(postgres.host, () => etcd.leader?.host === this.name && etcd.revokeLeader(), ignore);
      this.#lease = null;
      this.process.after(2000, () => {
        over();
        this.#startReplica();
      });
    });
  }

  #release(): void {
    const { etcd } = this.#at;
    const lease = this.#lease;
    this.#lease = null;
    if (lease !== null) etcd.request(this.postgres.host, () => etcd.revoke(lease), ignore);
  }

  #bePrimary(sync: SyncKey | null): void {
    const { postgres } = this;
    if (postgres.hung) return;
    if (postgres.state !== "running") {
      // primary_start_timeout 0: hand over, then start as a replica.
      this.#release();
      this.#startReplica();
    } else if (postgres.role === "replica") this.#promote(sync);
    else if (this.#at.etcd.switchover === this.name) this.#handOver();
    else this.#keepSync(sync);
  }

  #startReplica(): void {
    const { random } = this.#at.world;
    this.process.after(random.between(500, 3000), () => {
      if (this.postgres.state !== "running") this.postgres.start();
    });
  }

  #follow(leader: string): void {
    const { postgres } = this;
    this.#lease = null;
    this.failsafe = false;
    this.#promoting = false;
    if (postgres.state !== "running") return this.#startReplica();
    if (postgres.hung) return;
    if (postgres.role === "primary") postgres.demote();
    this.#at.patroniInformed(this);
    postgres.follow(leader);
  }

  #race(sync: SyncKey | null, end: () => void): void {
    const { world } = this.#at;
    const { postgres } = this;
    this.failsafe = false;
    if (postgres.state !== "running") {
      this.#startReplica();
      return end();
    }
    if (world.now - this.#failsafeAt < ttlMs || !this.#maySucceed(sync)) return end();
    const checkedAt = world.now;
    this.process.after(world.random.between(10, 300), () => {
      if (world.now - checkedAt > retryMs) end();
      else this.#acquire(sync, false, end);
    });
  }

  /** Nothing acknowledged can be missing here: enough of the others were asked, none has more. */
  #maySucceed(sync: SyncKey | null): boolean {
    const { postgres } = this;
    if (postgres.hung) return false;
    if (sync === null || sync.leader === this.name) return true;
    if (postgres.role === "primary") {
      postgres.demote();
      return false;
    }
    if (!sync.standbys.includes(this.name)) return false;
    const needed = sync.standbys.length - neededFor(sync.standbys.length);
    const seen = this.peers.filter(
      (peer) =>
        sync.standbys.includes(peer.name) &&
        peer.process.running &&
        !peer.process.stopped &&
        peer.postgres.works &&
        this.#reaches(peer),
    );
    const mine = position(postgres, sync.timeline);
    const ahead = seen.some(({ postgres: other }) => {
      const theirs = position(other, sync.timeline);
      return theirs.id > mine.id || (theirs.id === mine.id && theirs.length > mine.length);
    });
    return seen.length >= needed && !ahead;
  }

  #acquire(sync: SyncKey | null, again: boolean, end: () => void): void {
    const { world, etcd } = this.#at;
    const askedAt = world.now;
    etcd.request(
      this.postgres.host,
      () => etcd.acquire(this.name, again),
      (lease) =>
        this.process.run(() => {
          this.#lease = lease;
          if (lease !== null && !again)
            etcd.request(this.postgres.host, () => (etcd.switchover = null), ignore);
          if (lease !== null && world.now - askedAt < retryMs) this.#bePrimary(sync);
          end();
        }),
    );
  }

  /** /sync first: from then on only what this timeline's standbys have can be promoted. */
  #promote(sync: SyncKey | null): void {
    const { world, etcd } = this.#at;
    const { postgres } = this;
    if (this.#promoting) return;
    if (!this.#maySucceed(sync)) return this.#release();
    this.#promoting = true;
    const lease = this.#lease;
    const askedAt = world.now;
    const standbys = this.#strict ? this.peers.map(({ name }) => name) : [];
    etcd.request(
      postgres.host,
      () => (etcd.leader?.lease === lease ? etcd.writeSync(this.name, standbys, sync?.revision ?? 0) : null),
      (written) =>
        this.process.run(() => {
          if (written === null) this.#promoting = false;
          else {
            this.#promoting = false;
            // Stopped since it asked for the key: whether it still leads is for the next loop to say.
            if (world.now - askedAt > retryMs || !postgres.works || postgres.role === "primary") return;
            if (this.#lease !== lease) return;
            postgres.standbys = standbys;
            postgres.needed = neededFor(standbys.length);
            postgres.startPromotion(
              () => this.#at.newTimeline(postgres.timeline, postgres.length),
              () => {
                etcd.writeHistory(this.name, postgres.timeline);
                this.#at.promoted(postgres);
              },
            );
          }
        }),
    );
    // An answer that never comes must not end all attempts.
    this.process.after(2 * retryMs, () => {
      this.#promoting = false;
    });
  }

  /** Its REST API answers here. */
  #reaches({ postgres: { host } }: Patroni): boolean {
    const { world, network } = this.#at;
    return network.connected(this.postgres.host, host) && world.now >= host.silentUntil;
  }

  get #strict(): boolean {
    return this.peers.length > 1;
  }

  /** Two data hosts: the only standby joins and leaves the synchronous set. etcd first when it leaves, last when it joins. */
  #keepSync(sync: SyncKey | null): void {
    const { world, etcd } = this.#at;
    const { postgres } = this;
    const [peer] = this.peers;
    if (this.#strict || peer === undefined || sync?.leader !== this.name) return;
    const streaming = world.now - (postgres.seenAt.get(peer.name) ?? -Infinity) < 2000;
    const { timeline } = postgres;
    if (streaming && sync.standbys.length === 0) {
      if (postgres.standbys.length === 0) {
        postgres.standbys = [peer.name];
        postgres.needed = 1;
      } else if ((postgres.confirmed.get(peer.name) ?? 0) >= postgres.length) {
        etcd.request(postgres.host, () => etcd.writeSync(this.name, [peer.name], sync.revision), ignore);
      }
    } else if (!streaming && sync.standbys.length > 0) {
      etcd.request(
        postgres.host,
        () => etcd.writeSync(this.name, [], sync.revision),
        (written) =>
          this.process.run(() => {
            if (written !== null && postgres.timeline === timeline) postgres.standbys = [];
          }),
      );
    } else if (!streaming && sync.standbys.length === 0) postgres.standbys = [];
  }

  /** etcd is away: the primary goes on if every member says that it will not run for primary. */
  #withoutEtcd(): void {
    const { world } = this.#at;
    const { postgres } = this;
    if (postgres.role !== "primary" || postgres.state !== "running") return;
    const all = this.peers.every(
      (peer) =>
        peer.postgres.host.works &&
        peer.process.running &&
        !peer.process.stopped &&
        // A primary refuses.
        peer.postgres.role === "replica" &&
        this.#reaches(peer),
    );
    this.failsafe = all;
    if (all) for (const peer of this.peers) peer.#failsafeAt = world.now;
    else if (!postgres.hung) postgres.demote();
  }
}

/** How far a log follows the cluster's history; what somebody wrote who was promoted without leading is not it. */
function position(
  postgres: Postgres,
  history: Timeline | null,
): { readonly id: number; readonly length: number } {
  const known = new Set<Timeline>();
  for (let timeline = history; timeline !== null; timeline = timeline.parent) known.add(timeline);
  let { timeline, length } = postgres;
  while (!known.has(timeline) && timeline.parent !== null) {
    length = Math.min(length, timeline.forkAt);
    timeline = timeline.parent;
  }
  return { id: timeline.id, length };
}

const ignore = (): void => {};

/** synchronous_node_count: one of two standbys, two of four. */
const neededFor = (standbys: number): number => Math.ceil(standbys / 2);
