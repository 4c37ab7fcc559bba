import { agentActs, type Node } from "./node.ts";
import type { World } from "./world.ts";

const TTL = 3000;

/**
 * The witness lease by its outcome: a master that can reach the witness gets it when it is free, and loses
 * it a time to live after it cannot renew it any more, or at once when it gives it back.
 */
export function updateLease(world: World): void {
  if (!world.witness) return;
  const { simulation, lease } = world;
  const holder = lease.holder === null ? undefined : world.nodes[lease.holder];
  if (holder === undefined) {
    const eligible = world.nodes.filter((node) => canRenew(node) && node.roleSeen === "master");
    if (eligible.length === 0) return;
    const generation = ++lease.generation;
    simulation.after(simulation.random.between(10, 200), () => {
      if (lease.generation !== generation || lease.holder !== null) return;
      const node = simulation.random.pick(eligible);
      if (canRenew(node) && node.roleSeen === "master") grant(world, node.index);
      else updateLease(world);
    });
    return;
  }
  if (canRenew(holder)) {
    lease.expiring = false;
    if (holder.roleSeen !== "master") grant(world, null);
  } else if (!lease.expiring) {
    lease.expiring = true;
    const generation = ++lease.generation;
    simulation.after(TTL * (0.6 + 0.4 * simulation.random.next()), () => {
      if (lease.generation === generation && lease.expiring) grant(world, null);
    });
  }
}

const canRenew = (node: Node): boolean => agentActs(node) && node.troubles.witnessCut === 0;

function grant(world: World, holder: number | null): void {
  const { lease } = world;
  lease.holder = holder;
  lease.expiring = false;
  lease.generation++;
  for (const node of world.nodes) {
    world.soon(node, world.simulation.random.next() * 50, () => world.observe(node));
  }
  updateLease(world);
}
