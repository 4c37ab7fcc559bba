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
  /** What a host sends does not reach these. */
  readonly #cuts = new Map<string, Set<string>>();
  weather: Weather;
  readonly #usual: Weather;

  constructor(world: Simulation, hosts: ReadonlyMap<string, Host>, slow = usual.slow) {
    this.#usual = { ...usual, slow };
    this.weather = this.#usual;
    this.#world = world;
    this.#hosts = hosts;
    for (const name of hosts.keys()) this.#cuts.set(name, new Set());
  }

  /** @returns whether it was not cut before */
  cut(from: string, to: string): boolean {
    const cuts = this.#cuts.get(from);
    if (cuts === undefined || cuts.has(to)) return false;
    cuts.add(to);
    return true;
  }

  mend(from: string, to: string): void {
    this.#cuts.get(from)?.delete(to);
  }

  #isCut(from: Host, to: Host): boolean {
    return this.#cuts.get(from.name)?.has(to.name) === true;
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
      if (!from.up || this.#isCut(from, to) || random.chance(this.weather.loss)) continue;
      this.#world.after(this.delay(), act);
    }
  }

  /** What engines say to each other: the survivors' drop rules hold for it. */
  connected(from: Host, to: Host): boolean {
    if (from === to) return from.up;
    return (
      from.up &&
      to.up &&
      !this.#isCut(from, to) &&
      !this.#isCut(to, from) &&
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
