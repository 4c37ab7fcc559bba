import type { Simulation } from "../../support/simulation.ts";

/** What the sockets and timers of a stopped process keep for it; the rest is lost. */
const inboxSize = 100;

/** Something that runs on a host and may be killed, started again and stopped for a while. */
export class Process {
  readonly #world: Simulation;
  running = false;
  #generation = 0;
  #stopped = 0;
  #inbox: (() => void)[] = [];

  constructor(world: Simulation) {
    this.#world = world;
  }

  start(): void {
    this.running = true;
  }

  kill(): void {
    this.running = false;
    this.#generation++;
    this.#inbox = [];
  }

  get awake(): boolean {
    return this.running && this.#stopped === 0;
  }

  get stopped(): boolean {
    return this.#stopped > 0;
  }

  /** SIGSTOP and the freezer nest: every `stop` needs its `resume`. */
  stop(): void {
    this.#stopped++;
  }

  resume(): void {
    this.#stopped--;
    while (this.#stopped === 0) {
      const act = this.#inbox.shift();
      if (act === undefined) return;
      act();
    }
  }

  /** Now, or when the process goes on; never when it is dead. */
  run(act: () => void): void {
    if (!this.running) return;
    if (this.#stopped === 0) act();
    else if (this.#inbox.length < inboxSize) this.#inbox.push(act);
  }

  after(delay: number, act: () => void): void {
    const generation = this.#generation;
    this.#world.after(delay, () => {
      if (generation === this.#generation) this.run(act);
    });
  }
}
