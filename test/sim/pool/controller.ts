import type { Member, PoolAction, PoolMemory, PoolSettings } from "../../../src/core/decide/pool/types.ts";
import type { initialMemory, step } from "../../../src/core/decide/pool/step.ts";
import { Process } from "../lease/process.ts";
import type { World } from "./world.ts";

/** What decides, and how its edge performs: the product's, or a wrong one. */
export interface Brain {
  settings(settings: PoolSettings): PoolSettings;
  initial: typeof initialMemory;
  step: typeof step;
  /** Default true: a write counts only while its writer leads. */
  readonly fenced?: boolean;
  /** Default true: what was decided too long ago is not begun. */
  readonly expires?: boolean;
  /** Default true: whether a machine may be removed is read again just before. */
  readonly rereads?: boolean;
  /** A seed that catches it, to begin with; whatever changes may move it. */
  readonly seed?: number;
  /** What goes wrong in its world; default: everything. */
  readonly faults?: readonly string[];
}

/** While nothing is wrong and nothing changes, a turn says nothing: these are fewer, and the world wakes the controller. */
const CALM_TURN = 30_000;

/** One controller process: a turn after the other while it leads. */
export class Controller {
  readonly process: Process;
  readonly #world: World;
  readonly #brain: Brain;
  readonly #settings: PoolSettings;
  #memory: PoolMemory;
  #turns = 0;
  #sleeping = false;
  #offset = 0;
  #term = -1;
  etcdCut = 0;
  /** Stands still between a decision and its deed, now and then. */
  frail = 0;
  /** What this process has asked for and has no answer to. */
  #makes = new Set<string>();
  turns = 0;

  constructor(world: World, brain: Brain) {
    this.#world = world;
    this.#brain = brain;
    this.process = new Process(world.simulation);
    this.#settings = brain.settings(world.settings);
    this.#memory = brain.initial(this.#settings, 0);
  }

  get #now(): number {
    return this.#world.now + this.#offset;
  }

  start(): void {
    const { simulation } = this.#world;
    if (this.process.running) return;
    this.process.start();
    this.#offset = simulation.random.between(0, 1_000_000);
    this.#memory = this.#brain.initial(this.#settings, this.#now);
    this.#term = -1;
    this.#makes = new Set();
    this.#next(simulation.random.between(0, 2000));
  }

  crash(): void {
    this.process.kill();
    this.#world.leaseEnds(this);
  }

  stop(): void {
    this.process.stop();
    this.#world.leaseEnds(this);
  }

  resume(): void {
    if (this.process.running && this.etcdCut === 0) this.#world.leaseGoesOn(this);
    this.process.resume();
  }

  wake(): void {
    if (this.#sleeping) this.#next(this.#world.simulation.random.between(0, 1000));
  }

  #next(delay: number): void {
    const turn = ++this.#turns;
    this.#sleeping = delay >= CALM_TURN;
    this.process.after(delay, () => {
      if (turn === this.#turns) this.#turn();
    });
  }

  #turn(): void {
    const world = this.#world;
    const { random } = world.simulation;
    if (this.etcdCut > 0 || !world.lead(this)) {
      this.#next(random.between(1000, 3000));
      return;
    }
    if (this.#term !== world.epoch) {
      // What was watched in an earlier term may be long over.
      this.#term = world.epoch;
      this.#memory = this.#brain.initial(this.#settings, this.#now);
      world.watcher.began();
    }
    const seen = world.observe();
    const members = seen.members.map((member) =>
      this.#makes.has(member.id) && member.machine === "absent"
        ? { ...member, machine: "making" as const }
        : member,
    );
    const observed = { ...seen, members, at: this.#now };
    const { revision } = world;
    const turn = this.#turns;
    this.process.after(this.#latency(), () => {
      if (turn !== this.#turns) return;
      this.turns++;
      const { memory, actions, validUntil } = this.#brain.step(
        this.#settings,
        this.#memory,
        observed,
        this.#now,
      );
      this.#memory = memory;
      const longest = this.#perform({ observed, revision, actions, validUntil });
      const calm = actions.length === 0 && isCalm(world, observed.members, memory);
      this.#next(calm ? CALM_TURN : Math.max(world.settings.turnMs, longest));
    });
  }

  #latency(): number {
    const { simulation, weather } = this.#world;
    const { random } = simulation;
    return weather.slowStore > 0 && random.chance(0.3) ? random.between(100, 6000) : random.between(2, 30);
  }

  /** @returns for how long the controller waits before it looks again, ms */
  #perform(turn: Decided): number {
    const world = this.#world;
    const { actions, validUntil } = turn;
    const term = this.#term;
    if (actions.length === 0) return 0;
    const before = this.#latency();
    const after = this.#latency();
    for (const { kind } of actions) world.simulation.trace(kind);
    if (this.frail > 0 && world.simulation.random.chance(0.5)) this.#standStill();
    this.process.after(before, () => {
      if ((this.#brain.expires !== false && this.#now >= validUntil) || this.etcdCut > 0) return;
      // From here on the requests are on their way, whatever becomes of who sent them.
      for (const action of actions) {
        if (action.kind === "make") this.#make(action.id, after);
        if (action.kind === "remove") this.#remove(action.id, after);
      }
      world.simulation.after(after, () => {
        const holds = world.leader === this && world.epoch === term && world.revision === turn.revision;
        if (holds || this.#brain.fenced === false) write(world, turn);
      });
    });
    return before + Math.min(after, 2000);
  }

  #standStill(): void {
    const { simulation } = this.#world;
    this.stop();
    simulation.after(simulation.random.between(1000, 60_000), () => {
      this.resume();
      this.#world.changed();
    });
  }

  #make(id: string, after: number): void {
    const world = this.#world;
    const record = world.records.get(id);
    if (record?.role !== "standby" || this.#makes.has(id)) return;
    this.#makes.add(id);
    const { random } = world.simulation;
    const hangs = world.weather.hangingMakes > 0 && random.chance(0.7) ? random.between(0, 400_000) : 0;
    const { process } = this;
    const makes = this.#makes;
    world.simulation.after(after + hangs, () => {
      world.make(id, record.zone);
      process.run(() => makes.delete(id));
    });
  }

  #remove(id: string, after: number): void {
    const world = this.#world;
    const record = world.records.get(id);
    const rereads = this.#brain.rereads !== false;
    if (rereads && record !== undefined && record.role !== "draining") return;
    world.simulation.after(after, () => world.remove(id));
  }
}

interface Decided {
  readonly observed: { readonly members: readonly Member[] };
  readonly revision: number;
  readonly actions: readonly PoolAction[];
  readonly validUntil: number;
}

/** All that a turn records is one transaction, which holds only while the records are as they were seen. */
function write(world: World, { actions }: Decided): void {
  for (const action of actions) {
    if (action.kind === "make" || action.kind === "remove") continue;
    world.revision++;
    world.watcher.acted(action);
    if (action.kind === "reserve") world.reserve(action.zone);
    else if (action.kind === "resize") {
      world.watcher.resizing(action.to);
      world.resize(action.to);
    } else {
      const record = world.records.get(action.id);
      if (record === undefined) continue;
      if (action.kind === "serve") record.role = "serving";
      else if (action.kind === "forget") world.records.delete(action.id);
      else if (action.kind === "drain") world.drain(record, action.why);
    }
  }
  world.changedByController();
}

/** Nothing that a turn could change, or that time alone makes ripe. */
function isCalm(
  { settings, weather, desired }: World,
  members: readonly Member[],
  memory: PoolMemory,
): boolean {
  const settled = members.every(
    ({ role, machine, entry, monitor, outdated }) =>
      role !== "draining" && machine === "running" && entry === "up" && monitor === "well" && !outdated,
  );
  const watched = [...memory.watches.values()].some(({ sickMs }) => sickMs > 0) || memory.orphans.size > 0;
  const count = (wanted: Member["role"]): number => members.filter(({ role }) => role === wanted).length;
  const counted = count("standby") === settings.spares && count("serving") === desired;
  const surplus = memory.surplusMs > 0 || memory.standbySurplusMs > 0;
  return settled && counted && !watched && !surplus && weather.quietMonitors === 0;
}
