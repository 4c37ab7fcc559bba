/** Reads the writes of a drill back: after each fault what is new, at the end everything. */
import type { Reporter } from "../ports.ts";
import { type GeneratorLaunch, LoadProcess } from "./load.ts";
import type { LoadConfig, Positions } from "./loadgen/config.ts";

/** While the load runs: what is not read by then is read at the end. */
const NEW_LIMIT_MS = 20_000;
const WHOLE_LIMIT_MS = 60_000;
/** Reading back takes about a tenth of the time in which was written. */
const WHOLE_PER_FAULT_MS = 5000;

export class ReadBacks {
  readonly #launch: GeneratorLaunch;
  readonly #config: LoadConfig;
  readonly #reporter: Reporter;
  #from: Positions = { history: 0, observations: 0 };

  /** @param config of the load whose writes these are */
  constructor(launch: GeneratorLaunch, config: LoadConfig, reporter: Reporter) {
    this.#launch = launch;
    this.#config = config;
    this.#reporter = reporter;
  }

  /**
   * What was written since the last time, while the load goes on.
   * @param round number of the fault that was just healed, from 0
   * @throws HoldfastError when it cannot be done at all; what cannot be read is recorded as such
   */
  async readNew(round: number): Promise<void> {
    this.#from = await this.#run(round, false, NEW_LIMIT_MS);
  }

  /** Everything once more, after the last fault and the load. @throws HoldfastError as `readNew` */
  async readAll(round: number): Promise<void> {
    const task = this.#reporter.task("read every write back");
    try {
      await this.#run(round, true, WHOLE_LIMIT_MS + (round + 1) * WHOLE_PER_FAULT_MS);
    } catch (error) {
      task.fail((error as Error).message);
      throw error;
    }
    task.done();
  }

  #run(round: number, whole: boolean, limitMs: number): Promise<Positions> {
    const config = { ...this.#config, mode: "read-back" as const, round, whole, limitMs, from: this.#from };
    return LoadProcess.readBack(this.#launch, config);
  }
}
