import type { ControllerAction, ProbeResult } from "../../../src/core/decide/address/types.ts";
import { agentActs, isFrozen, isOn, type Node, proxyServes } from "./node.ts";
import type { World } from "./world.ts";

type ProbeAction = Extract<ControllerAction, { kind: "probe" }>;

/** A whole probe, with its several attempts, is lost this often. */
const LOST = 0.0003;

/** Asks the holder as the agent's shell does. */
export function probe(world: World, node: Node, action: ProbeAction): void {
  const { simulation } = world;
  const { random } = simulation;
  const { incarnation } = node;
  if (action.askInstance) world.watch.called(node, action);
  const result: ProbeResult = {
    service: service(world, node, action.address),
    peer: peer(world, node, action.holder?.instanceId),
    instance: instance(world, node, action),
  };
  const early = result.instance === "gone" || result.peer === "backup" || result.peer === "fault";
  simulation.after(early ? 2 + random.next() * 20 : action.timeoutMs, () =>
    world.answer(node, incarnation, { kind: "probed", call: action.call, ...result }),
  );
}

/** Which is news: what follows from it is not for nothing. */
function lost({ simulation, watch }: World): boolean {
  const is = simulation.random.chance(LOST);
  if (is) watch.changed();
  return is;
}

/** Clients' way, through the address itself. */
function service(world: World, node: Node, id: string): ProbeResult["service"] {
  const { random } = world.simulation;
  const { routed } = world.address(id);
  const holder = routed === null ? undefined : world.nodes[routed];
  if (holder !== node && node.troubles.publicCut > 0) return "unknown";
  if (holder === undefined || !isOn(holder) || isFrozen(holder)) return "silent";
  if (holder !== node && (holder.troubles.publicCut > 0 || lost(world))) return "silent";
  return proxyServes(holder) ? "serves" : random.chance(0.7) ? "refused" : "silent";
}

/** The network that VRRP uses. */
function peer(world: World, node: Node, instanceId: string | null | undefined): ProbeResult["peer"] {
  const holder = world.nodes.find((other) => world.holderOf(other.index).instanceId === instanceId);
  if (holder === undefined || !isOn(holder) || isFrozen(holder)) return "silent";
  if (world.cut("all", node.index, holder.index) || world.cut("all", holder.index, node.index))
    return "silent";
  if (lost(world)) return "silent";
  if (!agentActs(holder) || holder.roleSeen === "unknown") return "reachable";
  return holder.roleSeen;
}

function instance(world: World, node: Node, action: ProbeAction): ProbeResult["instance"] {
  const { random } = world.simulation;
  if (!action.askInstance || action.holder === null || node.troubles.apiCut > 0) return "unknown";
  if (world.weather.latency > action.timeoutMs || world.weather.slow > 0) return "unknown";
  const holder = world.nodes.find(
    (other) => world.holderOf(other.index).instanceId === action.holder?.instanceId,
  );
  // EC2 goes on calling a crashed host running; only one that was stopped in order is gone.
  return holder !== undefined && !isOn(holder) && random.chance(0.3) ? "gone" : "running";
}
