import type { Random } from "../../support/simulation.ts";
import { move, type Weather } from "./ec2.ts";
import { isOn, localTime, type Node, type Troubles } from "./node.ts";
import { lookAtProxy, thawVrrp } from "./vrrp.ts";
import type { Cut, World } from "./world.ts";

/** Begins a fault and gives what ends it. */
type Fault = (world: World, random: Random) => () => void;

/** With the shortest and longest time that each lasts (ms), drawn so that short and long ones are alike frequent. */
export const faults: Readonly<
  Record<string, { readonly begin: Fault; readonly lasts: readonly [number, number] }>
> = {
  powerOff: { begin: (world, random) => powerOff(world, random.pick(world.nodes)), lasts: [3000, 300_000] },
  holderPowerOff: { begin: (world) => powerOff(world, holder(world)), lasts: [3000, 300_000] },
  everythingOff: {
    begin: (world) => all(world.nodes.map((node) => powerOff(world, node))),
    lasts: [3000, 30_000],
  },
  hostFrozen: {
    begin: (world, random) => freeze(world, random.pick(world.nodes), random),
    lasts: [50, 120_000],
  },
  frozenTakeover: { begin: frozenTakeover, lasts: [3000, 60_000] },
  agentCrash: { begin: (world, random) => stopAgent(world, random.pick(world.nodes)), lasts: [200, 10_000] },
  agentFrozen: {
    begin: (world, random) => freezeAgent(world, random.pick(world.nodes)),
    lasts: [50, 60_000],
  },
  holderAgentFrozen: { begin: (world) => freezeAgent(world, holder(world)), lasts: [500, 60_000] },
  keepalivedDown: {
    begin: (world, random) => trouble(world, random.pick(world.nodes), "keepalivedDown"),
    lasts: [200, 20_000],
  },
  handover: { begin: (world) => trouble(world, holder(world), "keepalivedDown"), lasts: [1000, 20_000] },
  proxyDown: { begin: (world, random) => proxyDown(world, random.pick(world.nodes)), lasts: [50, 60_000] },
  holderProxyDown: { begin: (world) => proxyDown(world, holder(world)), lasts: [50, 60_000] },
  flapping: { begin: flap, lasts: [20_000, 180_000] },
  split: { begin: (world) => cutPairs(world, "all", () => true), lasts: [100, 300_000] },
  // As by a security group that lets TCP pass and not protocol 112.
  vrrpBlocked: { begin: (world) => cutPairs(world, "vrrp", () => true), lasts: [1000, 300_000] },
  deadEnd: { begin: deadEnd, lasts: [80_000, 200_000] },
  isolated: { begin: (world, random) => isolate(world, random.pick(world.nodes)), lasts: [100, 120_000] },
  oneWay: { begin: oneWay, lasts: [100, 300_000] },
  publicCut: {
    begin: (world, random) => trouble(world, random.pick(world.nodes), "publicCut"),
    lasts: [100, 60_000],
  },
  apiCut: {
    begin: (world, random) => trouble(world, random.pick(world.nodes), "apiCut"),
    lasts: [500, 120_000],
  },
  apiGone: {
    begin: (world) => all(world.nodes.map((node) => trouble(world, node, "apiCut"))),
    lasts: [500, 120_000],
  },
  apiSlow: { begin: weather("slow"), lasts: [1000, 180_000] },
  throttled: { begin: weather("throttling"), lasts: [1000, 180_000] },
  errorsBefore: { begin: weather("errorsBefore"), lasts: [1000, 120_000] },
  errorsAfter: { begin: weather("errorsAfter"), lasts: [1000, 120_000] },
  staleReads: { begin: weather("stale"), lasts: [1000, 300_000] },
  // Also what a step of the wall clock does, until it is set right: EC2 refuses the signature.
  credentials: {
    begin: (world, random) => trouble(world, random.pick(world.nodes), "noCredentials"),
    lasts: [1000, 120_000],
  },
  denied: {
    begin: (world, random) => trouble(world, random.pick(world.nodes), "denied"),
    lasts: [1000, 300_000],
  },
  witnessCut: {
    begin: (world, random) => trouble(world, random.pick(world.nodes), "witnessCut"),
    lasts: [100, 120_000],
  },
  movedByHand: { begin: moveByHand, lasts: [0, 0] },
};

/** What may go on while it is calm otherwise: clients must be served nevertheless. */
export const lasting = [
  "powerOff",
  "split",
  "vrrpBlocked",
  "deadEnd",
  "oneWay",
  "apiCut",
  "denied",
  "credentials",
  "apiGone",
  "staleReads",
];

const all = (ends: readonly (() => void)[]) => (): void => {
  for (const end of ends) end();
};

/** The host that has most to lose. */
function holder(world: World): Node {
  const owner = world.addresses[0]?.owner ?? null;
  return world.nodes[owner ?? 0] ?? world.simulation.random.pick(world.nodes);
}

function trouble(world: World, node: Node, kind: keyof Troubles): () => void {
  node.troubles[kind]++;
  world.changed();
  return () => {
    node.troubles[kind]--;
    world.changed();
  };
}

export function powerOff(world: World, node: Node): () => void {
  if (isOn(node)) world.stopAgent(node);
  const end = trouble(world, node, "off");
  return () => {
    end();
    if (isOn(node) && node.troubles.agentDown === 0) bootAgent(world, node);
  };
}

/** The track file is made anew at boot, before keepalived starts; the agent takes a moment longer. */
function bootAgent(world: World, node: Node): void {
  node.fit = true;
  node.healthSeen = true;
  world.simulation.after(world.simulation.random.between(50, 500), () => {
    if (isOn(node) && node.troubles.agentDown === 0 && node.state === null) world.startAgent(node);
    world.changed();
  });
}

function stopAgent(world: World, node: Node): () => void {
  if (isOn(node)) world.stopAgent(node);
  const end = trouble(world, node, "agentDown");
  return () => {
    end();
    if (isOn(node) && node.troubles.agentDown === 0 && node.state === null) world.startAgent(node);
  };
}

/** CLOCK_MONOTONIC goes on while a process stands still, and stands still with a virtual machine. */
function freeze(world: World, node: Node, random: Random): () => void {
  const { simulation } = world;
  const { rate } = node.clock;
  const clockStops = node.troubles.frozen === 0 && random.chance(0.5);
  const run = (at: number): void => {
    node.clock = { local: localTime(node, simulation.now), at: simulation.now, rate: at };
  };
  if (clockStops) run(0);
  const end = trouble(world, node, "frozen");
  return () => {
    if (clockStops) {
      run(rate);
      node.unawareAt = simulation.now;
    }
    end();
    thawVrrp(world, node);
    world.thawAgent(node);
  };
}

/** A host stands still in the middle of a takeover, while the former holder comes back. */
function frozenTakeover(world: World, random: Random): () => void {
  const { simulation } = world;
  const former = holder(world);
  const heal = proxyDown(world, former);
  let thaw: (() => void) | undefined;
  let over = false;
  simulation.after(random.between(20, 350), () => {
    const next = world.nodes.find((node) => node !== former && node.role === "master");
    if (next !== undefined && !over) thaw = freeze(world, next, random);
    simulation.after(random.between(200, 1000), heal);
  });
  return () => {
    over = true;
    thaw?.();
  };
}

function freezeAgent(world: World, node: Node): () => void {
  const end = trouble(world, node, "agentFrozen");
  return () => {
    end();
    world.thawAgent(node);
  };
}

function proxyDown(world: World, node: Node): () => void {
  const end = trouble(world, node, "proxyDown");
  lookAtProxy(world, node);
  return () => {
    end();
    lookAtProxy(world, node);
  };
}

function flap(world: World, random: Random): () => void {
  let flapping = true;
  const turn = (): void => {
    if (!flapping) return;
    const end = proxyDown(world, holder(world));
    world.simulation.after(random.between(170, 400), () => {
      end();
      world.simulation.after(random.between(170, 400), turn);
    });
  };
  turn();
  return () => {
    flapping = false;
  };
}

function cutPairs(world: World, what: Cut, chosen: (from: number, to: number) => boolean): () => void {
  const set = (by: number): void => {
    for (const from of world.nodes) {
      for (const to of world.nodes) {
        if (from !== to && chosen(from.index, to.index)) world.setCut(what, from.index, to.index, by);
      }
    }
    world.changed();
  };
  set(1);
  return () => set(-1);
}

function isolate(world: World, { index }: Node): () => void {
  const node = world.nodes[index];
  if (node === undefined) return () => undefined;
  return all([
    cutPairs(world, "all", (from, to) => from === index || to === index),
    trouble(world, node, "publicCut"),
    trouble(world, node, "apiCut"),
    trouble(world, node, "witnessCut"),
  ]);
}

function oneWay(world: World, random: Random): () => void {
  const from = random.pick(world.nodes).index;
  const to = random.pick(world.nodes.filter((node) => node.index !== from)).index;
  return cutPairs(world, "all", (one, other) => one === from && other === to);
}

function weather(kind: Exclude<keyof Weather, "latency">): Fault {
  return (world) => {
    world.weather[kind]++;
    world.changed();
    return () => {
      world.weather[kind]--;
      world.changed();
    };
  };
}

/** Nobody serves the address, and who is to take it next has no way to the API. */
function deadEnd(world: World, random: Random): () => void {
  const dead = holder(world);
  const next = random.pick(world.nodes.filter((node) => node !== dead));
  return all([powerOff(world, dead), trouble(world, next, "apiCut")]);
}

/** Somebody uses the console. */
function moveByHand(world: World, random: Random): () => void {
  const to = random.chance(0.3) ? null : random.pick(world.nodes).index;
  const address = random.pick(world.addresses);
  if (address.owner !== to) {
    move(world, address, to);
    world.changed();
  }
  return () => undefined;
}
