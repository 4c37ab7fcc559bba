import type { ControllerAction } from "../../../src/core/decide/address/types.ts";
import type { Address } from "./ec2.ts";
import { agentActs, isFrozen, isOn, type Node, serves, vrrpRuns } from "./node.ts";
import type { World } from "./world.ts";

export interface Violation {
  readonly at: number;
  readonly what: string;
}

/** B: milliseconds after the last change by which everything is as it should be. */
export const BOUND = 60_000;
/**
 * How old what a controller knows may be when its call begins: a probe's verdict and a role (1 s each, and
 * the probe's own time), and as long again when the host stands still between decision and deed.
 */
const KNOWLEDGE = 2_500;
/**
 * Of three hosts one may think that another still has the address: its description may be 4 s old and
 * have been 5 s old when it was given.
 */
const DESCRIPTION = 9_000;
const BLIP = 90;
const MINUTE = 60_000;
const HOUR = 3_600_000;

/** Checks the invariants while the world runs. */
export class Watch {
  readonly violations: Violation[] = [];
  readonly cleanOutages: number[] = [];
  moves = 0;
  calls = 0;
  longestAfterChange = 0;
  lastChange = 0;
  /** A power-off of the holder with everything else in order: how long it may be dark then. */
  clean: { readonly from: number; readonly limit: number } | null = null;
  readonly #world: World;
  readonly #associates = new Map<Node, { readonly call: number; readonly address: string }>();

  constructor(world: World) {
    this.#world = world;
  }

  violate(what: string): void {
    this.violations.push({ at: this.#world.simulation.now, what });
  }

  changed(): void {
    const { simulation } = this.#world;
    this.lastChange = simulation.now;
    this.clean = null;
    const { lastChange } = this;
    simulation.after(BOUND, () => {
      if (this.lastChange === lastChange) this.settled();
    });
  }

  dark(address: Address): void {
    const { simulation } = this.#world;
    address.darkSince = simulation.now;
    simulation.after(BOUND, () => {
      if (simulation.now - this.lastChange >= BOUND) this.checkLight(address);
    });
  }

  lit(address: Address): void {
    if (address.darkSince === Infinity) return;
    const { now } = this.#world.simulation;
    if (isViable(this.#world)) {
      const since = now - Math.max(address.darkSince, this.lastChange);
      this.longestAfterChange = Math.max(this.longestAfterChange, since);
    }
    this.#judgeClean(address, now);
    address.darkSince = Infinity;
  }

  #judgeClean({ id, darkSince }: Address, now: number): void {
    const { clean } = this;
    if (clean === null || darkSince < clean.from) return;
    const deaf = this.#world.nodes.some((node) => isOn(node) && node.deafAt >= clean.from);
    if (deaf) return;
    this.cleanOutages.push(now - clean.from);
    if (now - clean.from <= clean.limit) return;
    this.violate(`slow: ${id} dark for ${now - clean.from} ms after a power-off, not ${clean.limit}`);
  }

  checkLight(address: Address): void {
    const { simulation } = this.#world;
    const since = simulation.now - address.darkSince;
    if (since < BOUND || !isViable(this.#world)) return;
    this.violate(`dark: nobody serves ${address.id} for ${since} ms though a host could`);
  }

  /** Nothing has changed for the bound: everything must be as it should be. */
  settled(): void {
    const world = this.#world;
    for (const address of world.addresses) this.checkLight(address);
    if (!isViable(world) || !world.connected) return;
    // A master that cannot change anything leaves an address with whoever serves it.
    if (world.nodes.some((node) => node.role === "master" && !canChange(node))) return;
    for (const address of world.addresses) {
      const owner = address.owner === null ? undefined : world.nodes[address.owner];
      if (owner === undefined || owner.role !== "master") {
        this.violate(`wrong place: ${address.id} is not at the VRRP master`);
      } else if (owner.announcedAt < address.ownerSince) this.violate(`not announced: ${address.id}`);
    }
    for (const node of world.nodes) {
      if (!isOn(node) || isFrozen(node)) continue;
      const expected = node.role === "master" ? "MASTER" : "BACKUP";
      if (node.stateFile !== expected) this.violate(`state file of ${node.index}: ${node.stateFile}`);
    }
  }

  called(node: Node, action: Extract<ControllerAction, { readonly call: number }>): void {
    const { now } = this.#world.simulation;
    this.calls++;
    this.#count(node, now);
    if (action.kind === "describe" || action.kind === "probe") return;
    const address = this.#world.address(action.address);
    const unprovoked = now - this.lastChange > BOUND && isViable(this.#world) && canChange(node);
    if (unprovoked) this.violate(`restless: ${action.kind} with nothing changed for the bound`);
    if (now - node.deafAt > BOUND / 2 && now - node.unawareAt > KNOWLEDGE) {
      if (node.role !== "master" && now - node.masterUntil > KNOWLEDGE) {
        this.violate(`not master: ${node.index} asks to ${action.kind} ${address.id}`);
      }
      // A host that stood still while it was not master finds itself master as before.
      const isNew = now - node.masterSince < BLIP && now - node.answersSince >= BLIP;
      if (node.role === "master" && isNew && now - node.masterUntil > KNOWLEDGE) {
        this.violate(`blip: ${node.index} acts ${now - node.masterSince} ms after it became master`);
      }
    }
    if (action.kind !== "associate") return;
    this.#associates.set(node, { call: action.call, address: action.address });
    // Between changes in a row a stale read may show an owner that this host had not heard of, and a host
    // that has used up its calls in them goes on believing it.
    const changes = address.history.filter((entry) => now - entry.at < 2 * BOUND).length;
    const has = address.association !== null && node.confirmed.get(address.id) === address.association;
    if (has && changes < 2) {
      this.violate(`rewrite: ${node.index} asks for ${address.id}, which EC2 said it has`);
    }
  }

  confirmed(node: Node, call: number, associationId: string): void {
    const asked = this.#associates.get(node);
    if (asked?.call === call) node.confirmed.set(asked.address, associationId);
  }

  moved(node: Node, address: Address, begun: number): void {
    this.moves++;
    const { nodes } = this.#world;
    const knowledge = nodes.length > 2 ? KNOWLEDGE + DESCRIPTION : KNOWLEDGE;
    const victim = address.owner === null ? undefined : nodes[address.owner];
    const robbed = victim !== undefined && address.rightSince < begun - knowledge;
    // A holder whose agent does not know or cannot say its role looks like one that has stepped down.
    const silent =
      victim !== undefined &&
      (!agentActs(victim) || victim.answersSince > begun - knowledge || begun - victim.deafAt < BOUND / 2);
    if (robbed && !silent && begun - node.unawareAt > KNOWLEDGE) {
      this.violate(`robbed: ${node.index} takes ${address.id} from ${victim.index}, a master that serves`);
    }
    node.moves = node.moves.filter((time) => begun - time < MINUTE);
    node.moves.push(begun);
    const { capacity, refillMs } = MOVES;
    const perController = (capacity + MINUTE / refillMs + 1) * this.#world.addresses.length;
    const limit = perController * (1 + node.starts.filter((time) => begun - time < MINUTE).length);
    if (node.moves.length > limit) this.violate(`moves: ${node.moves.length} in a minute by ${node.index}`);
  }

  removed(node: Node, address: Address, begun: number): void {
    if (address.servingSince < begun - KNOWLEDGE && begun - node.unawareAt > KNOWLEDGE) {
      this.violate(`gap: ${node.index} removes ${address.id} from a host that serves`);
    }
  }

  #count(node: Node, now: number): void {
    const hour = Math.floor(now / HOUR);
    const { calls } = node;
    if (calls.hour !== hour) node.calls = { hour, count: 0 };
    node.calls.count++;
    const starts = node.starts.filter((time) => time >= hour * HOUR).length;
    const { capacity, refillMs } = CALLS;
    const limit = capacity * (1 + starts) + (HOUR / refillMs) * 1.001;
    if (node.calls.count > limit + 1)
      this.violate(`calls: more than ${Math.round(limit)} in an hour by ${node.index}`);
  }
}

/** What the product's settings promise, whatever the controller under test makes of them. */
const MOVES = { capacity: 4, refillMs: 10_000 };
const CALLS = { capacity: 30, refillMs: 3000 };

/** Whether some host could serve every address, and nothing that controllers cannot know keeps it from that. */
export function isViable(world: World): boolean {
  const { weather } = world;
  if (weather.slow + weather.throttling + weather.errorsBefore + weather.errorsAfter > 0) return false;
  const present = world.nodes.filter((node) => isOn(node) && !isFrozen(node));
  const known = present.every(
    (node) => agentActs(node) && vrrpRuns(node) && node.troubles.publicCut + node.troubles.witnessCut === 0,
  );
  const mistaken = present.some((node) => !canChange(node) && isMistaken(world, node));
  return known && !mistaken && present.some((node) => serves(node) && canChange(node));
}

/** Whether a host that cannot ask EC2 believes that it has an address that was taken from it meanwhile. */
function isMistaken(world: World, { index, state }: Node): boolean {
  return world.addresses.some(
    ({ owner }, at) =>
      owner !== index && state?.addresses[at]?.view?.holder?.instanceId === world.holderOf(index).instanceId,
  );
}

const canChange = ({ troubles }: Node): boolean =>
  troubles.apiCut + troubles.noCredentials + troubles.denied === 0;
