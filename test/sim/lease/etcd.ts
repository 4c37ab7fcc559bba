import type { EtcdView, GateRecord } from "../../../src/core/decide/lease/types.ts";
import type { Simulation } from "../../support/simulation.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import type { Timeline } from "./postgres.ts";

export const ttlMs = 20_000;

interface LeaderKey {
  readonly host: string;
  readonly lease: string;
}

/** Patroni's /sync: who may be promoted. */
export interface SyncKey {
  readonly leader: string;
  readonly standbys: readonly string[];
  readonly revision: number;
  /** What the last leader that was promoted was promoted to: Patroni's /history. */
  readonly timeline: Timeline | null;
}

/** One linearizable store with leases; there for whoever reaches a member that reaches a majority. */
export class Etcd {
  readonly #world: Simulation;
  readonly #network: Network;
  readonly #members: readonly Host[];
  #elected: Host | null;
  #electionAt: number | null = null;
  #revision = 1;
  #leases = new Map<string, number>();
  #nextLease = 1000;
  #leader: LeaderKey | null = null;
  #sync: SyncKey | null = null;
  /** Patroni's /failover: who was asked to hand over. */
  switchover: string | null = null;
  #records: Record<string, GateRecord & { revision: string }> = {};
  /** Earlier views, for agents that read without asking for linearizability. */
  #history: { readonly at: number; readonly view: EtcdView }[] = [];
  keepHistory = false;
  readonly #watchers: { readonly host: Host; readonly wake: () => void }[] = [];

  constructor(world: Simulation, network: Network, members: readonly Host[]) {
    this.#world = world;
    this.#network = network;
    this.#members = members;
    this.#elected = members[0] ?? null;
  }

  #hasMajority(member: Host): boolean {
    let count = 0;
    for (const other of this.#members) {
      if (other.works && this.#network.connected(member, other)) count++;
    }
    return member.works && count > this.#members.length / 2;
  }

  /** A member through which this host is served now. */
  #serving(host: Host): boolean {
    if (host.etcdCut || !host.up) return false;
    if (this.#elected === null || !this.#hasMajority(this.#elected)) {
      this.#elected = null;
      this.#electionAt ??= this.#world.now + this.#world.random.between(1000, 2000);
      if (this.#world.now < this.#electionAt) return false;
      this.#elected = this.#members.find((member) => this.#hasMajority(member)) ?? null;
      this.#electionAt = null;
      if (this.#elected === null) return false;
      // A new leader gives every lease its whole life again.
      for (const lease of this.#leases.keys()) this.#leases.set(lease, this.#world.now + ttlMs);
    }
    const elected = this.#elected;
    return this.#members.some(
      (member) =>
        member.works &&
        this.#network.connected(host, member) &&
        (member === elected || this.#network.connected(member, elected)),
    );
  }

  /**
   * Sends a request. It is applied once, soon, late (also long after the asker gave up) or never; its answer
   * may be lost.
   */
  request<Answer>(host: Host, apply: () => Answer, answered: (answer: Answer) => void): void {
    const { random } = this.#world;
    const attempt = (tries: number): void => {
      if (!this.#serving(host)) {
        if (tries > 0) this.#world.after(random.between(100, 3000), () => attempt(tries - 1));
        return;
      }
      this.#expire();
      const answer = apply();
      this.#world.after(this.#network.delay(), () => {
        if (host.up && !host.etcdCut && !random.chance(this.#network.weather.loss)) answered(answer);
      });
    };
    const delay = random.chance(0.005) ? random.between(500, 6000) : random.between(1, 8);
    this.#world.after(delay, () => attempt(random.chance(0.5) ? 0 : 2));
  }

  #expire(): void {
    for (const [lease, until] of this.#leases) {
      if (this.#world.now >= until) this.revoke(lease);
    }
  }

  /** Calls when the leader key goes; most times. */
  watch(host: Host, wake: () => void): void {
    this.#watchers.push({ host, wake });
  }

  revoke(lease: string): boolean {
    if (this.#leader?.lease === lease) {
      this.#leader = null;
      this.#changed();
      for (const { host, wake } of this.#watchers) {
        if (this.#world.random.chance(0.8) && this.#serving(host))
          this.#world.after(this.#network.delay(), wake);
      }
    }
    return this.#leases.delete(lease);
  }

  /** What nobody should do: whoever leads now. */
  revokeLeader(): boolean {
    return this.#leader !== null && this.revoke(this.#leader.lease);
  }

  #changed(): void {
    this.#revision++;
    if (!this.keepHistory) return;
    this.#history.push({ at: this.#world.now, view: this.view() });
    if (this.#history.length > 20) this.#history.shift();
  }

  view(): EtcdView {
    const leader = this.#leader;
    const until = leader === null ? 0 : (this.#leases.get(leader.lease) ?? 0);
    return {
      leader:
        leader === null
          ? null
          : { ...leader, ttlMs: Math.max(0, Math.floor((until - this.#world.now) / 1000) * 1000) },
      switchover: this.switchover,
      records: { ...this.#records },
    };
  }

  /** The view of a member that has been behind for this long. */
  staleView(age: number): EtcdView {
    const then = this.#history.findLast(({ at }) => at <= this.#world.now - age);
    return then?.view ?? this.view();
  }

  writeRecord(host: string, record: GateRecord, revision: string, leaderLease: string | null): string | null {
    if ((this.#records[host]?.revision ?? "0") !== revision) return null;
    if (leaderLease !== null && this.#leader?.lease !== leaderLease) return null;
    return this.putRecord(host, record);
  }

  putRecord(host: string, record: GateRecord): string {
    this.#changed();
    const written = String(this.#revision);
    this.#records[host] = { ...record, revision: written };
    return written;
  }

  get leader(): LeaderKey | null {
    return this.#leader;
  }

  get sync(): SyncKey | null {
    return this.#sync;
  }

  /** Compare and set on /sync; the new revision or null. */
  writeSync(leader: string, standbys: readonly string[], revision: number): SyncKey | null {
    if ((this.#sync?.revision ?? 0) !== revision) return null;
    this.#changed();
    const timeline = this.#sync?.timeline ?? null;
    this.#sync = { leader, standbys, revision: this.#revision, timeline };
    return this.#sync;
  }

  writeHistory(host: string, timeline: Timeline): void {
    if (this.#sync?.leader === host) this.#sync = { ...this.#sync, timeline };
  }

  /**
   * Patroni's attempt to lead, with a new lease: creates the key; `again`, having been restarted, overwrites
   * its own. The new lease or null.
   */
  acquire(host: string, again: boolean): string | null {
    if ((this.#leader?.host ?? null) !== (again ? host : null)) return null;
    const lease = String(this.#nextLease++);
    this.#leases.set(lease, this.#world.now + ttlMs);
    this.#leader = { host, lease };
    this.#changed();
    return lease;
  }

  keepAlive(lease: string): boolean {
    if (!this.#leases.has(lease)) return false;
    this.#leases.set(lease, this.#world.now + ttlMs);
    return true;
  }
}
