import type { Simulation } from "../../support/simulation.ts";
import { Process } from "./process.ts";

/** nftables and the clocks of one machine. */
export class Host {
  readonly name: string;
  readonly #world: Simulation;
  readonly #rate: number;
  #kernelAt = 0;
  #kernelClock: number;
  #stopped = false;
  /** What CLOCK_BOOTTIME has more than the clock of the kernel's timeouts, which stands still in a pause. */
  #jumped = 0;
  #stoppedAt = 0;

  up = true;
  /** Frozen: nothing runs. Its kernel's clock may go on (cgroup freezer) or not (paused machine). */
  frozen = false;
  /** True time of the last thaw with a clock that stood still. */
  thawedAt = -Infinity;
  etcdCut = false;
  /** Until then Patroni here answers nobody. */
  silentUntil = -Infinity;
  table = false;
  /** On disk: a boot loads the table closed. */
  marker = false;
  #openUntil = -Infinity;
  readonly blocks = new Set<string>();
  readonly processes: Process[] = [];

  constructor(world: Simulation, name: string) {
    this.#world = world;
    this.name = name;
    this.#rate = 0.98 + 0.04 * world.random.next();
    this.#kernelClock = world.random.between(0, 1e6);
  }

  process(): Process {
    const process = new Process(this.#world);
    this.processes.push(process);
    return process;
  }

  #kernelNow(): number {
    return this.#stopped
      ? this.#kernelClock
      : this.#kernelClock + this.#rate * (this.#world.now - this.#kernelAt);
  }

  /** What the agent reads: ms. */
  clock(): number {
    return this.#kernelNow() + this.#jumped;
  }

  get gatePasses(): boolean {
    return !this.table || this.#kernelNow() < this.#openUntil;
  }

  /** The element's timeout is relative: worked out when the command is given to the kernel. */
  openGate(until: number): void {
    this.table = true;
    this.marker = true;
    this.#openUntil = this.#kernelNow() + (until - this.clock());
  }

  closeGate(): void {
    this.table = true;
    this.marker = true;
    this.#openUntil = -Infinity;
  }

  removeGate(): void {
    this.marker = false;
    this.table = false;
  }

  freeze(clockStops: boolean): void {
    this.frozen = true;
    for (const process of this.processes) process.stop();
    if (!clockStops) return;
    this.#kernelClock = this.#kernelNow();
    this.#stopped = true;
    this.#stoppedAt = this.#world.now;
  }

  thaw(clockCatchesUp: boolean): void {
    this.frozen = false;
    if (this.#stopped) {
      this.thawedAt = this.#world.now;
      this.#stopped = false;
      this.#kernelAt = this.#world.now;
      if (clockCatchesUp) this.#jumped += (this.#world.now - this.#stoppedAt) * this.#rate;
    }
    for (const process of this.processes) process.resume();
  }

  crash(): void {
    this.up = false;
    this.table = false;
    this.blocks.clear();
    for (const process of this.processes) process.kill();
  }

  boot(): void {
    this.up = true;
    if (this.marker) this.closeGate();
  }

  get works(): boolean {
    return this.up && !this.frozen;
  }
}
