import type { Simulation } from "../../support/simulation.ts";
import type { Host } from "./host.ts";

/** Shares of what is sent that is lost, and that is late by up to 1.5 s. */
interface Weather {
  loss: number;
  slow: number;
}

const usual: Weather = { loss: 0.001, slow: 0.001 };

export class Network {
  readonly #world: Simulation;
  readonly #hosts: ReadonlyMap<string, Host>;
  /** `a>b`: what a sends does not reach b. */
  readonly cuts = new Set<string>();
  weather: Weather;
  readonly #usual: Weather;

  constructor(world: Simulation, hosts: ReadonlyMap<string, Host>, slow = usual.slow) {
    this.#usual = { ...usual, slow };
    this.weather = this.#usual;
    this.#world = world;
    this.#hosts = hosts;
  }

  clearUp(): void {
    this.weather = this.#usual;
  }

  delay(): number {
    const { random } = this.#world;
    return random.chance(this.weather.slow) ? random.between(20, 1500) : random.between(0, 4);
  }

  /** Datagrams between agents: lost, late, twice, out of order; no drop rule stops them. */
  datagram(from: Host, to: Host, act: () => void): void {
    const { random } = this.#world;
    const copies = random.chance(0.002) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (!from.up || this.cuts.has(`${from.name}>${to.name}`) || random.chance(this.weather.loss)) continue;
      this.#world.after(this.delay(), act);
    }
  }

  /** What engines say to each other: the survivors' drop rules hold for it. */
  connected(from: Host, to: Host): boolean {
    if (from === to) return from.up;
    return (
      from.up &&
      to.up &&
      !this.cuts.has(`${from.name}>${to.name}`) &&
      !this.cuts.has(`${to.name}>${from.name}`) &&
      !from.blocks.has(to.name) &&
      !to.blocks.has(from.name)
    );
  }

  /** TCP: arrives late rather than not, unless the path is cut when it arrives. */
  stream(from: Host, to: Host, act: () => void): void {
    if (!this.connected(from, to)) return;
    this.#world.after(this.delay(), () => {
      if (this.connected(from, to)) act();
    });
  }

  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }
}
