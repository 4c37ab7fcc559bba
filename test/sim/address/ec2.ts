import type {
  ControllerAction,
  ControllerEvent,
  FailureReason,
} from "../../../src/core/decide/address/types.ts";
import type { Node } from "./node.ts";
import type { World } from "./world.ts";

type CallAction = Extract<ControllerAction, { kind: "describe" | "associate" | "disassociate" }>;
type Answer = ControllerEvent extends infer Event
  ? Event extends ControllerEvent
    ? Omit<Event, "random">
    : never
  : never;

/** An Elastic IP as EC2 knows it (`owner`) and as its network sends packets (`routed`). */
export interface Address {
  readonly id: string;
  owner: number | null;
  association: string | null;
  ownerSince: number;
  /** What a stale read may show, newest last. */
  history: { readonly at: number; readonly owner: number | null; readonly association: string | null }[];
  routed: number | null;
  route: number;
  /** Since when its owner serves clients, and since when it is VRRP master too. */
  servingSince: number;
  rightSince: number;
  darkSince: number;
}

/** How the API behaves now, for everybody. */
export interface Weather {
  /** Milliseconds of an ordinary call. */
  readonly latency: number;
  /** Counted, as faults overlap. */
  slow: number;
  throttling: number;
  errorsBefore: number;
  errorsAfter: number;
  stale: number;
}

/** EC2 answers a description with what was true up to this long ago. */
const STALENESS = 5000;
const SLOWEST = 120_000;

export function call(world: World, node: Node, action: CallAction): void {
  const { simulation, weather } = world;
  const { random } = simulation;
  const { incarnation } = node;
  const begun = simulation.now;
  const answer = (event: Answer): void => world.answer(node, incarnation, event);
  const fail = (reason: FailureReason): void =>
    answer({ kind: "failed", call: action.call, reason, message: reason });
  world.watch.called(node, action);
  if (node.troubles.apiCut > 0 && random.chance(0.5)) {
    simulation.after(random.next() * 50, () => fail("not-sent"));
    return;
  }
  const lost = node.troubles.apiCut > 0;
  const slow = weather.slow > 0 && random.chance(0.5);
  const latency = slow ? random.next() ** 3 * SLOWEST : weather.latency * (0.6 + 0.8 * random.next());
  const there = latency * random.next();
  const late = latency >= action.timeoutMs;
  if (lost || late) simulation.after(action.timeoutMs, () => fail("unknown"));
  if (lost) return;
  // A description has no effect, so it needs no event of its own on arrival.
  const reply = (outcome: Answer | FailureReason): void => {
    if (late) return;
    if (node.troubles.apiCut > 0)
      simulation.after(begun + action.timeoutMs - simulation.now, () => fail("unknown"));
    else if (typeof outcome === "string") fail(outcome);
    else answer(outcome);
  };
  if (action.kind === "describe") {
    if (late) return;
    simulation.after(latency, () =>
      reply(refusal(world, node, action) ?? describe(world, action, latency - there)),
    );
    return;
  }
  simulation.after(there, () => {
    // Long given up by who asked for it, it is news to everybody.
    if (late) world.watch.changed();
    const outcome = refusal(world, node, action) ?? perform(world, node, action, begun);
    if (late) return;
    const hidden = typeof outcome !== "string" && weather.errorsAfter > 0 && random.chance(0.5);
    simulation.after(latency - there, () => reply(hidden ? "unknown" : outcome));
  });
}

function refusal(world: World, node: Node, action: CallAction): FailureReason | null {
  const { weather, simulation } = world;
  if (node.troubles.noCredentials > 0) return "credentials";
  if (node.troubles.denied > 0 && action.kind !== "describe") return "denied";
  if (weather.throttling > 0 && simulation.random.chance(0.7)) return "throttled";
  if (weather.errorsBefore > 0 && simulation.random.chance(0.5)) return "unknown";
  return null;
}

function describe(world: World, action: CallAction, ago: number): Answer {
  const { random, now } = world.simulation;
  const address = world.address(action.address);
  const staleness = world.weather.stale > 0 && random.chance(0.6) ? random.next() * STALENESS : 0;
  const time = now - ago - staleness;
  let index = address.history.length - 1;
  while (index > 0 && (address.history[index]?.at ?? 0) > time) index--;
  const { owner, association } = address.history[index] ?? address;
  const holder = owner === null ? null : world.holderOf(owner);
  return { kind: "described", call: action.call, holder, associationId: association };
}

function perform(
  world: World,
  node: Node,
  action: Exclude<CallAction, { kind: "describe" }>,
  begun: number,
): Answer | FailureReason {
  const address = world.address(action.address);
  if (action.kind === "disassociate") {
    if (address.association !== action.associationId) return "conflict";
    world.watch.removed(node, address, begun);
    move(world, address, null);
    return { kind: "disassociated", call: action.call };
  }
  if (address.owner === node.index) {
    return { kind: "associated", call: action.call, associationId: address.association ?? "" };
  }
  if (address.owner !== null && !action.allowReassociation) return "conflict";
  world.watch.moved(node, address, begun);
  move(world, address, node.index);
  return { kind: "associated", call: action.call, associationId: address.association ?? "" };
}

/** The address goes to this host, and packets follow some time later. */
export function move(world: World, address: Address, owner: number | null): void {
  const { simulation } = world;
  address.owner = owner;
  address.ownerSince = simulation.now;
  address.association = owner === null ? null : `eipassoc-${world.associations++}`;
  address.history.push({ at: simulation.now, owner, association: address.association });
  if (address.history.length > 200) address.history.splice(0, 100);
  simulation.trace(`${address.id} at ${owner}`);
  const route = ++address.route;
  world.update();
  simulation.after(simulation.random.between(1, 30), () => {
    if (address.route !== route) return;
    address.routed = owner;
    world.update();
  });
}
