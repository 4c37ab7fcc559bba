import { leaseMembers, leaseSettings } from "../../../src/core/decide/lease/settings.ts";
import { Simulation } from "../../support/simulation.ts";
import { Agent, type AgentWorld, type Variant } from "./agent.ts";
import { Etcd } from "./etcd.ts";
import { Host } from "./host.ts";
import { Network } from "./network.ts";
import { Patroni, type PatroniWorld } from "./patroni.ts";
import { holds, Postgres, type Timeline } from "./postgres.ts";

export interface Layout {
  readonly data: number;
  readonly witnesses: number;
}

export const layouts: readonly Layout[] = [
  { data: 3, witnesses: 0 },
  { data: 2, witnesses: 1 },
  { data: 5, witnesses: 0 },
];

/** The invariant that did not hold, and when. */
export class Violation extends Error {}

const clientMs = 450;

/** A whole database tier, its clients (who try every host that lets them) and the invariants. */
export class Cluster implements AgentWorld, PatroniWorld {
  readonly world: Simulation;
  readonly network: Network;
  readonly etcd: Etcd;
  readonly variant: Variant;
  readonly hosts = new Map<string, Host>();
  readonly databases: Postgres[] = [];
  readonly patronis: Patroni[] = [];
  readonly agents = new Map<string, Agent>();
  /** Hosts where Patroni was away for longer than plain Patroni is safe for. */
  readonly unsafePatroni = new Set<string>();
  quiet = false;
  acknowledged = 0;
  #timelines = 0;
  /** The newest acknowledged write. */
  #last: { readonly timeline: Timeline; readonly index: number };

  constructor(seed: number, layout: Layout, variant: Variant = {}) {
    this.world = new Simulation(seed);
    this.variant = variant;
    const dataHosts = Array.from({ length: layout.data }, (_, index) => `data${index + 1}`);
    const all = [
      ...dataHosts,
      ...Array.from({ length: layout.witnesses }, (_, index) => `witness${index + 1}`),
    ];
    const members = leaseMembers(dataHosts, all);
    if (members === null) throw new Error("no layout for the accelerator");
    for (const name of members) this.hosts.set(name, new Host(this.world, name));
    this.network = new Network(this.world, this.hosts, variant.slow);
    this.etcd = new Etcd(this.world, this.network, [...this.hosts.values()]);
    this.etcd.keepHistory = variant.staleReadsMs !== undefined;
    const first = this.newTimeline(null, 0);
    this.#last = { timeline: first, index: -1 };
    for (const name of dataHosts) {
      const host = this.network.host(name);
      const postgres: Postgres = new Postgres(this.world, this.network, host, first, (timeline, index) => {
        if (!this.#plain(postgres)) this.#acknowledge(timeline, index);
      });
      this.databases.push(postgres);
      this.patronis.push(new Patroni(this, postgres));
    }
    for (const postgres of this.databases) postgres.peers = this.databases.filter((one) => one !== postgres);
    for (const patroni of this.patronis) patroni.peers = this.patronis.filter((one) => one !== patroni);
    for (const [name, host] of this.hosts) {
      const patroni = this.patronis.find((one) => one.name === name) ?? null;
      // Slower heartbeats than on real hosts: an hour has fewer events, the decisions are the same.
      const settings = { ...leaseSettings(name, dataHosts, members), heartbeatMs: 250 };
      this.agents.set(name, new Agent(this, host, patroni, settings));
    }
    for (const postgres of this.databases) this.#clients(postgres);
  }

  start(): void {
    for (const patroni of this.patronis) {
      patroni.postgres.start();
      patroni.start();
    }
    for (const agent of this.agents.values()) agent.start();
  }

  agent(name: string): Agent {
    const agent = this.agents.get(name);
    if (agent === undefined) throw new Error(`no agent on ${name}`);
    return agent;
  }

  #clients(postgres: Postgres): void {
    postgres.write();
    // The primary speaks to its standbys also when nobody writes.
    postgres.ship();
    this.world.after(this.world.random.between(clientMs - 100, clientMs + 100), () =>
      this.#clients(postgres),
    );
  }

  patroniInformed({ name }: Patroni): void {
    this.unsafePatroni.delete(name);
  }

  stallMs(): number {
    return this.quiet ? 0 : 8000;
  }

  newTimeline(parent: Timeline | null, forkAt: number): Timeline {
    return { id: this.#timelines++, parent, forkAt };
  }

  promoted(postgres: Postgres): void {
    this.world.trace(`${postgres.host.name} promoted`);
    this.gateChanged(postgres.host);
  }

  /** Whoever acknowledges must hold what was acknowledged last, and so all that was before. */
  #acknowledge(timeline: Timeline, index: number): void {
    this.acknowledged++;
    const { timeline: last, index: lastIndex } = this.#last;
    if (!holds(timeline, index + 1, last, lastIndex)) {
      this.#violated("a write is acknowledged where an earlier one is lost");
    }
    this.#last = { timeline, index };
  }

  /** Called whenever a host may have begun to serve. */
  gateChanged(host: Host): void {
    const one = this.databases.find((postgres) => postgres.host === host);
    if (one === undefined || !one.serves) return;
    for (const other of this.databases) {
      if (other === one || !other.serves || this.#excused(one) || this.#excused(other)) continue;
      this.#violated(`${one.host.name} and ${other.host.name} both serve as primary`);
    }
  }

  #excused(postgres: Postgres): boolean {
    // The kernel's timeout stood still with the machine: what protects here is that nobody acknowledges.
    return this.world.now - postgres.host.thawedAt < 1000 || this.#plain(postgres);
  }

  /** Patroni alone was away there for longer than it is safe for without a watchdog: not ours to promise. */
  #plain({ host }: Postgres): boolean {
    return !host.table && this.unsafePatroni.has(host.name);
  }

  #violated(what: string): void {
    throw new Violation(`${what}, at ${this.world.now} ms`);
  }

  left(agent: Agent): void {
    agent.stop();
  }

  /** Everything works: one primary serves, every gate is there and open, nobody is blocked. Null, or why not. */
  unhealthy(): string | null {
    if (this.databases.some((postgres) => this.#excused(postgres))) return "a host has just been thawed";
    const primaries = this.databases.filter((postgres) => postgres.serves);
    if (primaries.length !== 1) {
      const seen = this.databases.map(({ host, role, state }) => `${host.name} ${state} ${role}`);
      return `${primaries.length} hosts serve as primary (${seen.join(", ")}; ${this.etcd.leader?.host ?? "nobody"} leads)`;
    }
    const { timeline, length } = primaries[0] as Postgres;
    if (!holds(timeline, length, this.#last.timeline, this.#last.index)) {
      this.#violated("the primary does not have all acknowledged writes");
    }
    for (const { host, role, works } of this.databases) {
      if (!works) return `PostgreSQL on ${host.name} does not work`;
      if (!host.table || !host.gatePasses) return `the gate of ${host.name} (${role}) is not open`;
    }
    for (const { name, blocks } of this.hosts.values()) {
      if (blocks.size > 0) return `${name} blocks ${[...blocks].join()}`;
    }
    return null;
  }
}
