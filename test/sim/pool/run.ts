import { initialMemory, step } from "../../../src/core/decide/pool/step.ts";
import type { Brain } from "./controller.ts";
import { changeLoad, faults, kill, protect, scale } from "./faults.ts";
import { BOUND, type Violation } from "./watcher.ts";
import { World } from "./world.ts";

export const product: Brain = { settings: (settings) => settings, initial: initialMemory, step };

export interface Outcome {
  readonly seed: number;
  readonly digest: string;
  readonly violations: readonly Violation[];
  readonly faults: number;
  readonly turns: number;
  readonly makes: number;
  readonly drains: number;
  /** From the loss of one host, all else in order, to full strength, ms: without and with a spare. */
  readonly cleanTimes: readonly number[];
  readonly spareTimes: readonly number[];
}

const MINUTE = 60_000;

/** Runs one seed for so many simulated hours, or until the first violation. */
export function run(
  seed: number,
  hours: number,
  brain: Brain = product,
  tell?: (line: string) => void,
): Outcome {
  const world = new World(seed, brain);
  const { simulation, watcher } = world;
  const storms = new Storms(world, brain.faults ?? Object.keys(faults), tell);
  world.changed();
  simulation.after(BOUND + MINUTE, () => storms.begin());
  const end = hours * 60 * MINUTE;
  while (simulation.now < end && watcher.violations.length === 0) {
    simulation.run(Math.min(end, simulation.now + MINUTE));
  }
  const { violations, makes, drains, cleanTimes, spareTimes } = watcher;
  const turns = world.controllers.reduce((sum, controller) => sum + controller.turns, 0);
  const { digest } = simulation;
  return { seed, digest, violations, faults: storms.faults, turns, makes, drains, cleanTimes, spareTimes };
}

/** Some minutes in which faults come thick and overlap; then all end, it is calm for long, and one host is lost. */
class Storms {
  faults = 0;
  readonly #world: World;
  readonly #names: readonly string[];
  readonly #tell: ((line: string) => void) | undefined;
  readonly #active = new Set<() => void>();

  constructor(world: World, names: readonly string[], tell: ((line: string) => void) | undefined) {
    this.#world = world;
    this.#names = names;
    this.#tell = tell;
  }

  begin(): void {
    const { simulation } = this.#world;
    const { random } = simulation;
    if (this.#world.isStuck) this.#operatorHelps();
    const spacing = random.pick([2000, 15_000, 60_000]);
    // Some storms are of few kinds: what they do together would drown among thirty.
    const all = this.#names;
    const names = random.chance(0.5) ? all : Array.from({ length: 3 }, () => random.pick(all));
    let over = false;
    const next = (): void => {
      if (over) return;
      this.#inject(random.pick(names));
      simulation.after(random.gap(spacing), next);
    };
    simulation.after(random.gap(spacing), next);
    simulation.after(random.between(2, 20) * MINUTE, () => {
      over = true;
      for (const end of this.#active) end();
      this.#calm();
    });
  }

  #calm(): void {
    const { simulation } = this.#world;
    const { random } = simulation;
    const calm = random.between(55, 120) * MINUTE;
    const lasting = random.chance(0.5) ? protect.begin(this.#world, random) : () => {};
    if (random.chance(0.5)) random.pick([changeLoad, scale])(this.#world, random);
    this.#world.changed();
    simulation.after(calm / 2, () => this.#cleanKill());
    simulation.after(calm, () => {
      lasting();
      this.begin();
    });
  }

  #inject(name: string): void {
    const { simulation } = this.#world;
    const { random } = simulation;
    const fault = faults[name];
    if (fault === undefined) return;
    const [shortest, longest] = fault.lasts;
    this.faults++;
    simulation.trace(name);
    this.#tell?.(`${simulation.now} ${name}`);
    const heal = fault.begin(this.#world, random);
    const end = (): void => {
      if (!this.#active.delete(end)) return;
      simulation.trace(`end ${name}`);
      this.#tell?.(`${simulation.now} end of ${name}`);
      heal();
    };
    this.#active.add(end);
    simulation.after(shortest * (longest / shortest) ** random.next(), end);
  }

  /** Nobody but a person mends a pool that is mostly dead and has no room for others. */
  #operatorHelps(): void {
    for (const machine of this.#world.machines.values()) machine.off = 0;
    this.#world.changed();
  }

  #cleanKill(): void {
    const world = this.#world;
    const { simulation, watcher, serving, settings } = world;
    const [first] = serving;
    if (first === undefined || world.isStuck || simulation.now - watcher.lastChange <= BOUND) return;
    const machine = simulation.random.pick(serving);
    const asWanted =
      serving.length === world.desired && world.records.size === world.desired + settings.spares;
    if (world.slots < 30 || !asWanted) return;
    if (simulation.random.chance(0.3) && watcher.isSpread) {
      machine.app++;
      world.changed();
      simulation.after(1200, () => {
        machine.app--;
        world.changed();
        watcher.blip = true;
      });
      return;
    }
    simulation.trace("clean kill");
    this.#tell?.(`${simulation.now} clean kill of ${machine.id}`);
    kill(world, machine);
    watcher.clean = { from: simulation.now, spare: settings.spares > 0 };
  }
}
