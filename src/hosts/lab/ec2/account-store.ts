/** The account's state over time: now, a while ago (for stale reads), and after a restart (in a file). */
import { readIfExists, writeFileAtomic } from "../../../lib/atomic.ts";
import { initialState, type Ec2State } from "./account.ts";
import type { Ec2Config } from "./config.ts";

/** As far back as a read may be told to be stale (behaviour.ts). */
const historyMs = 600_000;

export class AccountStore {
  readonly #file: string;
  #history: { readonly since: number; readonly state: Ec2State }[];
  #written: Promise<void> = Promise.resolve();

  private constructor(file: string, state: Ec2State) {
    this.#file = file;
    this.#history = [{ since: -Infinity, state }];
  }

  /** What the file says, without what the configuration no longer has. */
  static async open(file: string, config: Ec2Config): Promise<AccountStore> {
    const text = await readIfExists(file);
    const first = initialState(config);
    return new AccountStore(
      file,
      text === null ? first : reconciled(config, first, JSON.parse(text) as Ec2State),
    );
  }

  now(): Ec2State {
    return this.at(Infinity);
  }

  /** The state as it was at a time (milliseconds). */
  at(time: number): Ec2State {
    const entry = this.#history.findLast(({ since }) => since <= time);
    if (entry === undefined) throw new Error("the history has no beginning");
    return entry.state;
  }

  /** In force at once; resolves when it is in the file. */
  async change(state: Ec2State, now: number): Promise<void> {
    const start = this.#history.findLastIndex(({ since }) => since <= now - historyMs);
    this.#history = [...this.#history.slice(Math.max(0, start)), { since: now, state }];
    this.#written = this.#written.then(async () => writeFileAtomic(this.#file, JSON.stringify(this.now())));
    return this.#written;
  }
}

function reconciled(config: Ec2Config, first: Ec2State, kept: Ec2State): Ec2State {
  const interfaces = new Set(Object.keys(first.secondary));
  const own = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(record).filter(([id]) => interfaces.has(id)));
  const associations = Object.entries(kept.associations).filter(
    ([allocation, { interfaceId }]) =>
      interfaces.has(interfaceId) && config.allocations.some(({ id }) => id === allocation),
  );
  return {
    sequence: kept.sequence,
    associations: Object.fromEntries(associations),
    secondary: { ...first.secondary, ...own(kept.secondary) },
    ipv6: own(kept.ipv6),
  };
}
