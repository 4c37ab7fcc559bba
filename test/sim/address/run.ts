import { initialState, step } from "../../../src/core/decide/address/step.ts";
import { faults, lasting, powerOff } from "./faults.ts";
import { type Controller, isOn } from "./node.ts";
import { BOUND, isViable, type Violation } from "./watch.ts";
import { World } from "./world.ts";

export const product: Controller = { settings: (settings) => settings, initial: initialState, step };

export interface Outcome {
  readonly seed: number;
  readonly digest: string;
  readonly violations: readonly Violation[];
  readonly moves: number;
  readonly calls: number;
  /** Of a power-off of the holder with all else in order, ms. */
  readonly cleanOutages: readonly number[];
  /** The longest time that clients waited, in ms, after the last change and with a host that could serve. */
  readonly longestAfterChange: number;
}

const MINUTE = 60_000;

/** Runs one seed for so many simulated hours, or until the first violation. */
export function run(seed: number, hours: number, controller: Controller = product): Outcome {
  const world = new World(seed, controller);
  const { simulation, watch } = world;
  world.changed();
  storm(world);
  const end = hours * 60 * MINUTE;
  while (simulation.now < end && watch.violations.length === 0) {
    simulation.run(Math.min(end, simulation.now + 5 * MINUTE));
  }
  const { violations, moves, calls, cleanOutages, longestAfterChange } = watch;
  return { seed, digest: simulation.digest, violations, moves, calls, cleanOutages, longestAfterChange };
}

/** Some minutes in which faults come thick and overlap; then all end but perhaps one, and it is calm for a while. */
function storm(world: World): void {
  const { simulation } = world;
  const { random } = simulation;
  const names = Object.keys(faults);
  const active = new Set<() => void>();
  const spacing = random.pick([3000, 15_000, 60_000]);
  let over = false;
  const next = (): void => {
    if (over) return;
    begin(world, random.pick(names), active);
    simulation.after(random.gap(spacing), next);
  };
  simulation.after(random.gap(spacing), next);
  simulation.after(random.between(2, 20) * MINUTE, () => {
    over = true;
    for (const end of active) end();
    if (random.chance(0.5)) begin(world, random.pick(lasting), active, true);
    const calm = random.between(3, 40) * MINUTE;
    simulation.after(calm / 2, () => cleanPowerOff(world));
    simulation.after(calm, () => {
      for (const end of active) end();
      storm(world);
    });
  });
}

function begin(world: World, name: string, active: Set<() => void>, lasts = false): void {
  const { simulation } = world;
  const fault = faults[name];
  if (fault === undefined) return;
  const [shortest, longest] = fault.lasts;
  simulation.trace(name);
  const heal = fault.begin(world, simulation.random);
  const end = (): void => {
    if (!active.delete(end)) return;
    simulation.trace(`end ${name}`);
    heal();
  };
  active.add(end);
  const drawn = shortest * (longest / Math.max(1, shortest)) ** simulation.random.next();
  if (!lasts) simulation.after(drawn, end);
}

/** The holder goes while everything else is in order: then the outage has a bound of its own. */
function cleanPowerOff(world: World): void {
  const { simulation, watch, weather } = world;
  const owner = world.nodes[world.addresses[0]?.owner ?? -1];
  const fine = world.nodes.every((node) => Object.values(node.troubles).every((count) => count === 0));
  const settled = simulation.now - watch.lastChange > BOUND && isViable(world) && world.connected;
  if (owner === undefined || !fine || !settled || !isOn(owner) || weather.stale > 0 || world.witness) return;
  if (!world.addresses.every((address) => address.owner === owner.index)) return;
  simulation.trace("clean power-off");
  const end = powerOff(world, owner);
  // Detection, the wait for a blip to end (or for the probe), delays of the agent's process, one call, the route.
  const limit = 151 + 100 + 50 + Math.ceil(1.4 * weather.latency) + 30 + 10;
  watch.clean = { from: simulation.now, limit };
  simulation.after(BOUND + 10_000, end);
}
