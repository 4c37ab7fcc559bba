import type {
  ControllerAction,
  ControllerEvent,
  Holder,
  Lease,
} from "../../../src/core/decide/address/types.ts";
import { defaultSettings } from "../../../src/core/decide/address/defaults.ts";
import { Simulation } from "../../support/simulation.ts";
import { type Address, call, type Weather } from "./ec2.ts";
import { updateLease } from "./lease.ts";
import { agentActs, agentRuns, type Controller, createNode, localTime, type Node, serves } from "./node.ts";
import { probe } from "./probe.ts";
import { lookAgain, updateVrrp } from "./vrrp.ts";
import { Watch } from "./watch.ts";

type Unsent<Event> = Event extends ControllerEvent ? Omit<Event, "random"> : never;

export type Cut = "all" | "vrrp";

/** The hosts, the network between them, clients and EC2, all driven by one seed. */
export class World {
  readonly simulation: Simulation;
  readonly nodes: readonly Node[];
  readonly addresses: readonly Address[];
  readonly weather: Weather;
  readonly witness: boolean;
  readonly lease: { holder: number | null; expiring: boolean; generation: number };
  readonly watch: Watch;
  associations = 0;
  readonly #controller: Controller;
  /** Counted: what does not get from one host to another, anything or VRRP alone. */
  readonly #cuts: Readonly<Record<Cut, number[][]>>;
  #updating = false;

  constructor(seed: number, controller: Controller) {
    this.simulation = new Simulation(seed);
    const { random } = this.simulation;
    const count = random.chance(0.7) ? 2 : 3;
    const ids = random.chance(0.8) ? ["eipalloc-1"] : ["eipalloc-1", "eipalloc-2"];
    this.witness = random.chance(0.4);
    const mode = this.witness && random.chance(0.5) ? "strict" : "fast";
    this.weather = {
      latency: random.pick([5, 20, 60, 100, 300]),
      slow: 0,
      throttling: 0,
      errorsBefore: 0,
      errorsAfter: 0,
      stale: 0,
    };
    this.lease = { holder: null, expiring: false, generation: 0 };
    this.#controller = controller;
    const nothing = (): number[][] =>
      Array.from({ length: count }, () => Array.from({ length: count }, () => 0));
    this.#cuts = { all: nothing(), vrrp: nothing() };
    this.addresses = ids.map((id) => createAddress(id));
    this.nodes = Array.from({ length: count }, (_, index) => {
      const target = this.holderOf(index);
      const settings = controller.settings(
        defaultSettings(
          ids.map((id) => ({ id, target, canReassociate: true })),
          mode,
        ),
      );
      // A clock counts from some boot, and a crystal is off by up to 100 ppm.
      const clock = { local: random.next() * 1e9, rate: 1 + (random.next() - 0.5) * 2e-4 };
      return createNode(index, settings, clock);
    });
    this.watch = new Watch(this);
    for (const node of this.nodes) {
      // One that a fault has stopped by then is started when the fault ends.
      this.simulation.after(random.next() * 200, () => {
        if (agentRuns(node) && node.state === null) this.startAgent(node);
      });
    }
    updateVrrp(this);
  }

  holderOf(index: number): Holder & { readonly instanceId: string } {
    return {
      instanceId: `i-${index}`,
      networkInterfaceId: `eni-${index}`,
      privateAddress: `10.0.0.${index + 1}`,
    };
  }

  address(id: string): Address {
    const address = this.addresses.find((candidate) => candidate.id === id);
    if (address === undefined) throw new Error(`no address ${id}`);
    return address;
  }

  cut(what: Cut, from: number, to: number): boolean {
    return (this.#cuts[what][from]?.[to] ?? 0) > 0;
  }

  setCut(what: Cut, from: number, to: number, by: number): void {
    const row = this.#cuts[what][from];
    if (row !== undefined) row[to] = (row[to] ?? 0) + by;
  }

  get connected(): boolean {
    return Object.values(this.#cuts).every((cuts) => cuts.every((row) => row.every((cut) => cut === 0)));
  }

  /** After anything that matters to clients or to the lease. */
  update(): void {
    const { now } = this.simulation;
    for (const address of this.addresses) {
      const owner = address.owner === null ? undefined : this.nodes[address.owner];
      const serving = owner !== undefined && serves(owner);
      const right = serving && owner.role === "master";
      address.servingSince = since(serving, address.servingSince, address.ownerSince, now);
      address.rightSince = since(right, address.rightSince, address.ownerSince, now);
      const routed = address.routed === null ? undefined : this.nodes[address.routed];
      if (routed !== undefined && serves(routed)) this.watch.lit(address);
      else if (address.darkSince === Infinity) this.watch.dark(address);
    }
    if (this.#updating) return;
    this.#updating = true;
    updateLease(this);
    this.#updating = false;
  }

  /** Something in the world has changed, other than by the controllers. */
  changed(): void {
    this.watch.changed();
    updateVrrp(this);
    this.update();
  }

  /** Runs in the agent's process: not at all when that has ended meanwhile, later when it stands still. */
  soon(node: Node, delay: number, act: () => void): void {
    const { incarnation } = node;
    this.simulation.after(delay, () => this.#inAgent(node, incarnation, act));
  }

  #inAgent(node: Node, incarnation: number, act: () => void): void {
    if (!agentRuns(node) || node.incarnation !== incarnation) return;
    if (agentActs(node)) act();
    else node.queue.push(act);
  }

  answer(node: Node, incarnation: number, event: Unsent<ControllerEvent>): void {
    this.#inAgent(node, incarnation, () => {
      if (event.kind === "associated") this.watch.confirmed(node, event.call, event.associationId);
      this.#step(node, { ...event, random: this.simulation.random.next() });
    });
  }

  /** Tells the controller what the agent knows of its own host. */
  observe(node: Node): void {
    if (!agentActs(node)) return;
    this.update();
    const { holder } = this.lease;
    const lease: Lease =
      !this.witness || node.troubles.witnessCut > 0 || holder === null
        ? "none"
        : holder === node.index
          ? "mine"
          : "other";
    this.#step(node, {
      kind: "observed",
      role: node.roleSeen,
      healthy: node.healthSeen,
      lease,
      random: this.simulation.random.next(),
    });
  }

  startAgent(node: Node): void {
    node.incarnation++;
    node.answersSince = this.simulation.now;
    node.starts = [...node.starts.slice(-100), this.simulation.now];
    node.queue = [];
    node.confirmed.clear();
    node.wakeAt = Infinity;
    node.wakeTimer++;
    node.state = this.#controller.initial(node.settings, localTime(node, this.simulation.now));
    this.#inAgent(node, node.incarnation, () => lookAgain(this, node));
  }

  stopAgent(node: Node): void {
    node.incarnation++;
    node.queue = [];
    node.state = null;
  }

  thawAgent(node: Node): void {
    if (!agentActs(node)) return;
    node.answersSince = this.simulation.now;
    const { queue } = node;
    node.queue = [];
    for (const act of queue) act();
  }

  #step(node: Node, event: ControllerEvent): void {
    if (node.state === null) return;
    const { state, actions } = this.#controller.step(
      node.settings,
      node.state,
      event,
      localTime(node, this.simulation.now),
    );
    node.state = state;
    for (const action of actions) this.#perform(node, action);
    this.#scheduleWake(node, state.wakeAt);
  }

  #scheduleWake(node: Node, wakeAt: number): void {
    if (wakeAt >= node.wakeAt) return;
    node.wakeAt = wakeAt;
    const timer = ++node.wakeTimer;
    const { now } = this.simulation;
    this.soon(node, Math.max(1, (wakeAt - localTime(node, now)) / node.clock.rate), () => {
      if (node.wakeTimer !== timer || node.state === null) return;
      node.wakeAt = Infinity;
      const due = node.state.wakeAt;
      if (due > localTime(node, this.simulation.now)) this.#scheduleWake(node, due);
      else this.#step(node, { kind: "tick", random: this.simulation.random.next() });
    });
  }

  #perform(node: Node, action: ControllerAction): void {
    switch (action.kind) {
      case "observe":
        this.soon(node, 1 + this.simulation.random.next() * 20, () => lookAgain(this, node));
        return;
      case "write-state-file":
        node.stateFile = action.state;
        return;
      case "set-fit":
        node.fit = action.fit;
        updateVrrp(this);
        return;
      case "announce":
        node.announcedAt = this.simulation.now;
        return;
      case "alarm":
        return;
      case "describe":
      case "associate":
      case "disassociate":
      case "probe":
        this.#begin(node, action);
    }
  }

  /** A host may stand still between the decision and the deed. */
  #begin(node: Node, action: Extract<ControllerAction, { readonly call: number }>): void {
    const { incarnation } = node;
    const begin = (): void => {
      if (localTime(node, this.simulation.now) > action.startBy) {
        this.answer(node, incarnation, {
          kind: "failed",
          call: action.call,
          reason: "not-sent",
          message: "late",
        });
      } else if (action.kind === "probe") probe(this, node, action);
      else call(this, node, action);
    };
    if (this.simulation.random.chance(0.05)) this.soon(node, this.simulation.random.next() * 20, begin);
    else begin();
  }
}

/** Since when something holds for the present owner; Infinity while it does not. */
function since(holds: boolean, before: number, ownerSince: number, now: number): number {
  if (!holds) return Infinity;
  return before === Infinity ? now : Math.max(before, ownerSince);
}

const createAddress = (id: string): Address => ({
  id,
  owner: null,
  association: null,
  ownerSince: 0,
  history: [{ at: 0, owner: null, association: null }],
  routed: null,
  route: 0,
  servingSince: Infinity,
  rightSince: Infinity,
  darkSince: Infinity,
});
