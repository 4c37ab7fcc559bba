/** A pool's world: machines in zones, the records in etcd with the lease, load, and everything that can go wrong. */
import { defaultSettings } from "../../../src/core/decide/pool/settings.ts";
import type { Member, MemberRole, Observation, PoolSettings } from "../../../src/core/decide/pool/types.ts";
import { Simulation } from "../../support/simulation.ts";
import { Controller, type Brain } from "./controller.ts";
import { Watcher } from "./watcher.ts";

export interface Machine {
  readonly id: string;
  readonly zone: string;
  state: "making" | "running" | "removing";
  /** Counters of troubles that overlap: fine at 0. */
  off: number;
  app: number;
  /** The entry cannot reach it though clients of others could be served. */
  entryCut: number;
  /** The monitor says sick, or well, whatever is true. */
  monitorSick: number;
  monitorWell: number;
  booted: boolean;
  /** What the entry's checks say: follows the truth by their interval. */
  entryUp: boolean;
  /** Since when at least one judge has spoken for it without a break, and both against it. */
  vouchedSince: number;
  sickSince: number;
  /** When both judges last called it well; Infinity: they do now. */
  wellUntil: number;
}

export interface Record {
  readonly id: string;
  readonly zone: string;
  readonly image: number;
  role: MemberRole;
  protected: boolean;
  drainedAt: number;
  /** Whether it served before it began to drain. */
  served: boolean;
  sessionsUntil: number;
}

const LEASE = 10_000;

export class World {
  readonly simulation: Simulation;
  readonly settings: PoolSettings;
  readonly watcher: Watcher;
  readonly controllers: readonly Controller[];
  readonly zones: readonly string[];
  readonly slots: number;
  readonly machines = new Map<string, Machine>();
  readonly failedMakes = new Set<string>();
  readonly records = new Map<string, Record>();
  desired: number;
  /** When the wanted count changed, and what it was before. */
  resizes: { readonly at: number; readonly from: number }[] = [];
  image = 1;
  load: number;
  loadUnknownSince = Infinity;
  epoch = 0;
  /** Of all records together: etcd's compare-and-set. */
  revision = 0;
  leader: Controller | null = null;
  leaseUntil = Infinity;
  #names = 0;
  /** What is wrong everywhere; fine at 0. */
  readonly weather = {
    shared: 0,
    checkers: 0,
    monitors: 0,
    quietMonitors: 0,
    hostsCut: 0,
    entriesCut: 0,
    loadUnknown: 0,
    slowBoots: 0,
    failingBoots: 0,
    provider: 0,
    hangingRemovals: 0,
    hangingMakes: 0,
    slowStore: 0,
    zones: new Map<string, number>(),
  };

  constructor(seed: number, brain: Brain) {
    this.simulation = new Simulation(seed);
    const { random } = this.simulation;
    this.zones = ["a", "b", "c"].slice(0, random.pick([1, 2, 2, 3, 3]));
    const min = random.pick([1, 2, 2, 3]);
    const max = min + random.pick([0, 1, 2, 4]);
    const target = random.chance(0.6) ? 100 : null;
    const spares = random.pick([0, 0, 1, 2]);
    this.settings = defaultSettings({ min, max, spares, zones: this.zones, target });
    // In some worlds nothing can be started before something stops.
    const tight = max + this.settings.spares;
    this.slots = Math.ceil(random.pick([tight, tight + 1, 99, 99]) / this.zones.length);
    this.desired = min;
    this.load = min * 80;
    this.watcher = new Watcher(this);
    this.controllers = [new Controller(this, brain), new Controller(this, brain)];
    for (const controller of this.controllers) controller.start();
  }

  get now(): number {
    return this.simulation.now;
  }

  machineOf = ({ id }: { readonly id: string }): Machine | undefined => this.machines.get(id);

  /** Most of the pool is dead for good and there is no room for others: what a controller leaves to people. */
  get isStuck(): boolean {
    const { serving } = this;
    const dead = serving.filter(({ off }) => off > 0).length;
    return dead > 1 && 2 * dead > serving.length && Object.values(this.room()).every((room) => room <= 0);
  }

  get orphans(): number {
    return [...this.machines.keys()].filter((id) => !this.records.has(id)).length;
  }

  get serving(): Machine[] {
    const machines: Machine[] = [];
    for (const record of this.records.values()) {
      const machine = record.role === "serving" ? this.machines.get(record.id) : undefined;
      if (machine !== undefined) machines.push(machine);
    }
    return machines;
  }

  /** Something happened that a controller could react to. */
  changed(): void {
    this.refresh();
    this.watcher.changed();
    for (const controller of this.controllers) controller.wake();
  }

  isOk(machine: Machine): boolean {
    return this.isUp(machine) && machine.booted && machine.app === 0 && this.weather.shared === 0;
  }

  isUp = ({ state, off, zone }: Machine): boolean =>
    state === "running" && off === 0 && (this.weather.zones.get(zone) ?? 0) === 0;

  /** Lets the entry's checks and the watcher see what has changed. */
  refresh(): void {
    const { random } = this.simulation;
    this.loadUnknownSince =
      this.weather.loadUnknown > 0 ? Math.min(this.loadUnknownSince, this.now) : Infinity;
    for (const machine of this.machines.values()) {
      if (machine.entryUp !== this.#entryTruth(machine)) {
        this.simulation.after(random.between(200, 1500), () => {
          machine.entryUp = this.#entryTruth(machine);
          this.#judge(machine);
        });
      }
      this.#judge(machine);
    }
  }

  #entryTruth(machine: Machine): boolean {
    return this.isOk(machine) && machine.entryCut === 0 && this.weather.checkers === 0;
  }

  #judge(machine: Machine): void {
    const { now } = this;
    const monitor = this.#monitor(machine);
    const vouched = machine.entryUp || (monitor === "well" && this.weather.quietMonitors === 0);
    const sick = !machine.entryUp && monitor !== "well";
    const well = machine.entryUp && monitor === "well";
    machine.vouchedSince = vouched ? Math.min(machine.vouchedSince, now) : Infinity;
    machine.sickSince = sick ? Math.min(machine.sickSince, now) : Infinity;
    machine.wellUntil = well ? Infinity : Math.min(machine.wellUntil, now);
    this.watcher.strength();
  }

  #monitor(machine: Machine): Member["monitor"] {
    const { weather } = this;
    if (!this.isUp(machine) || !machine.booted || weather.hostsCut > 0) return "silent";
    if (machine.monitorWell > 0) return "well";
    if (machine.monitorSick > 0 || weather.monitors > 0 || !this.isOk(machine)) return "sick";
    return "well";
  }

  observe(): Omit<Observation, "at"> {
    const { weather, simulation } = this;
    const well = this.serving.filter((machine) => this.isOk(machine)).length;
    const members = [...this.records.values()].map((record): Member => {
      const { id, zone, role } = record;
      const machine = this.machines.get(id);
      const quiet = weather.quietMonitors > 0 && simulation.random.chance(0.3);
      return {
        id,
        zone,
        role,
        machine: machine?.state ?? (this.failedMakes.has(id) ? "failed" : "absent"),
        entry: weather.entriesCut > 0 ? "unknown" : machine?.entryUp === true ? "up" : "down",
        monitor: machine === undefined || quiet ? "silent" : this.#monitor(machine),
        load: weather.loadUnknown > 0 || well === 0 ? null : this.load / well,
        sessions: weather.entriesCut > 0 ? null : this.now < record.sessionsUntil ? 3 : 0,
        outdated: record.image !== this.image,
        protected: record.protected,
      };
    });
    const orphans = [...this.machines.keys()].filter((id) => !this.records.has(id));
    return { members, orphans, desired: this.desired, room: this.room() };
  }

  room(): { [zone: string]: number } {
    const room = Object.fromEntries(this.zones.map((zone) => [zone, this.slots]));
    for (const { zone } of this.machines.values()) room[zone] = (room[zone] ?? 0) - 1;
    return room;
  }

  /** etcd's word to whoever asks: the lease is its, or somebody else's. */
  lead(controller: Controller): boolean {
    if (this.leader === controller) return true;
    if (this.leader !== null && this.now < this.leaseUntil) return false;
    this.leader = controller;
    this.epoch++;
    this.leaseUntil = Infinity;
    this.simulation.trace(`leader ${this.epoch}`);
    return true;
  }

  /** The leader cannot renew its lease from now on; its last renewal was a while ago. */
  leaseEnds(controller: Controller): void {
    if (this.leader !== controller || this.leaseUntil !== Infinity) return;
    this.leaseUntil = this.now + LEASE - this.simulation.random.between(0, 3000);
  }

  leaseGoesOn(controller: Controller): void {
    if (this.leader === controller && this.now < this.leaseUntil) this.leaseUntil = Infinity;
  }

  reserve(zone: string): void {
    const id = `m${this.#names++}`;
    this.records.set(id, {
      id,
      zone,
      image: this.image,
      role: "standby",
      protected: false,
      drainedAt: Infinity,
      served: false,
      sessionsUntil: 0,
    });
  }

  resize(to: number): void {
    this.resizes = [
      ...this.resizes.filter(({ at }) => this.now - at < 60_000),
      { at: this.now, from: this.desired },
    ];
    this.desired = to;
  }

  drain(record: Record, why: string): void {
    const { now } = this;
    const { random } = this.simulation;
    this.watcher.draining(record, why);
    record.served = record.role === "serving";
    record.role = "draining";
    record.drainedAt = now;
    record.sessionsUntil = record.served ? now + random.pick([0, 2000, 20_000, Infinity]) : 0;
    if (record.sessionsUntil < Infinity) {
      this.simulation.after(record.sessionsUntil - now, () => this.changedByController());
    }
  }

  make(id: string, zone: string): void {
    const { random } = this.simulation;
    const { weather } = this;
    if (this.machines.has(id)) return;
    if ((this.room()[zone] ?? 0) <= 0 || (weather.provider > 0 && random.chance(0.9))) {
      this.failedMakes.add(id);
      this.watcher.bootFailed(zone);
      this.changedByController();
      return;
    }
    this.failedMakes.delete(id);
    const machine: Machine = {
      id,
      zone,
      state: "making",
      off: 0,
      app: 0,
      entryCut: 0,
      monitorSick: 0,
      monitorWell: 0,
      booted: false,
      entryUp: false,
      vouchedSince: Infinity,
      sickSince: Infinity,
      wellUntil: -Infinity,
    };
    this.machines.set(id, machine);
    this.watcher.made();
    const fails = weather.failingBoots > 0 && random.chance(0.7);
    const slow = weather.slowBoots > 0 ? random.between(5, 60) : 1;
    this.simulation.after(random.between(300, 1000), () => {
      if (machine.state !== "making") return;
      machine.state = "running";
      this.changedByController();
      this.simulation.after(random.between(2000, 5000) * slow, () => {
        if (fails || !this.isUp(machine)) this.watcher.bootFailed(zone);
        else {
          machine.booted = true;
          this.watcher.booted(zone);
        }
        this.changedByController();
      });
    });
  }

  remove(id: string): void {
    const { random } = this.simulation;
    const machine = this.machines.get(id);
    this.failedMakes.delete(id);
    if (machine === undefined || machine.state === "removing") return;
    this.watcher.removing(machine);
    machine.state = "removing";
    const hangs = this.weather.hangingRemovals > 0 && random.chance(0.7);
    this.changedByController();
    this.simulation.after(random.between(100, 2000) + (hangs ? random.between(10_000, 300_000) : 0), () => {
      if (hangs && random.chance(0.5)) machine.state = "running";
      else this.machines.delete(id);
      this.changedByController();
    });
  }

  /** As `changed`, but not a trouble: what follows from the controllers' own actions. */
  changedByController(): void {
    this.refresh();
    for (const controller of this.controllers) controller.wake();
  }
}
