import type { Role } from "../../../src/core/decide/address/types.ts";
import { agentActs, isFrozen, type Node, vrrpRuns, vrrpSpeaks } from "./node.ts";
import type { World } from "./world.ts";

/** Milliseconds between advertisements; three missed ones and the skew make a master down. */
const ADVERT = 50;
const LOST_NOTIFICATION = 0.01;

/**
 * keepalived by its outcome: who is master of whom, a detection time after something changed. Advertisements
 * are not sent one by one.
 */
export function updateVrrp(world: World, graceful = false): void {
  for (const node of world.nodes) updateNode(world, node, graceful);
}

function updateNode(world: World, node: Node, graceful: boolean): void {
  const running = vrrpRuns(node);
  if (!running) {
    node.wasRunning = false;
    node.vrrpTimer++;
    node.vrrpArmed = false;
    // Killed: nobody is told.
    if (node.role !== "unknown") setRole(world, node, "unknown", false);
    return;
  }
  if (isFrozen(node)) return;
  const healthy = node.healthSeen && node.fit;
  if (!node.wasRunning) {
    node.wasRunning = true;
    setRole(world, node, healthy ? "backup" : "fault", true);
  } else if (!healthy && node.role !== "fault") {
    const wasMaster = node.role === "master";
    setRole(world, node, "fault", true);
    // Priority 0: the others need not wait for three missing advertisements.
    if (wasMaster) updateVrrp(world, true);
    return;
  } else if (healthy && node.role === "fault") setRole(world, node, "backup", true);
  if (node.role === "fault") return;
  const rivals = world.nodes.filter(
    (other) => other !== node && other.role === "master" && hears(world, node, other),
  );
  const changes =
    node.role === "master" ? rivals.some(({ priority }) => priority > node.priority) : rivals.length === 0;
  if (!changes) {
    node.vrrpTimer++;
    node.vrrpArmed = false;
  } else if (!node.vrrpArmed || graceful) arm(world, node, graceful);
}

const hears = (world: World, node: Node, other: Node): boolean =>
  vrrpSpeaks(other) &&
  !world.cut("all", other.index, node.index) &&
  !world.cut("vrrp", other.index, node.index);

function arm(world: World, node: Node, graceful: boolean): void {
  const { random } = world.simulation;
  const skew = ((256 - node.priority) / 256) * ADVERT;
  const delay =
    node.role === "master" ? random.next() * ADVERT : graceful ? skew : (2 + random.next()) * ADVERT + skew;
  const timer = ++node.vrrpTimer;
  node.vrrpArmed = true;
  const role = node.role === "master" ? "backup" : "master";
  world.simulation.after(delay, () => {
    if (node.vrrpTimer !== timer) return;
    node.vrrpArmed = false;
    if (!vrrpSpeaks(node) || node.role === role || node.role === "fault") return;
    setRole(world, node, role, true);
    updateVrrp(world);
  });
}

/** A backup that stood still finds its timer expired before it reads what arrived meanwhile. */
export function thawVrrp(world: World, node: Node): void {
  if (vrrpSpeaks(node) && node.role === "backup" && world.simulation.random.chance(0.5)) {
    setRole(world, node, "master", true);
  }
  updateVrrp(world);
}

function setRole(world: World, node: Node, role: Role, told: boolean): void {
  const { simulation } = world;
  if (node.role === "master") node.masterUntil = simulation.now;
  if (role === "master") node.masterSince = simulation.now;
  node.role = role;
  simulation.trace(`${node.index} ${role}`);
  world.update();
  if (!told || simulation.random.chance(LOST_NOTIFICATION)) {
    node.deafAt = simulation.now;
    return;
  }
  world.soon(node, simulation.random.next() * 2, () => {
    node.roleSeen = role;
    world.observe(node);
  });
}

/** The agent looks at the proxy: writes the track file and tells the controller. */
export function lookAtProxy(world: World, node: Node): void {
  world.soon(node, 5 + world.simulation.random.next() * 150, () => {
    const healthy = node.troubles.proxyDown === 0;
    if (healthy === node.healthSeen) return;
    node.healthSeen = healthy;
    world.observe(node);
    updateVrrp(world);
  });
}

/** What a fresh look at everything gives. */
export function lookAgain(world: World, node: Node): void {
  if (!agentActs(node)) return;
  node.roleSeen = node.role;
  const healthy = node.troubles.proxyDown === 0;
  const news = healthy !== node.healthSeen;
  node.healthSeen = healthy;
  world.observe(node);
  if (news) updateVrrp(world);
}
