/** The loop around the pool's decisions: look, decide, write down, do. */
import { setTimeout as sleep } from "node:timers/promises";
import { initialMemory, step } from "../core/decide/pool/step.ts";
import type { PoolAction, PoolMemory, PoolSettings } from "../core/decide/pool/types.ts";
import { setPoolState } from "../engines/haproxy.ts";
import { HoldfastError, HostUnreachable } from "../lib/errors.ts";
import { type Lock, tryLock } from "../lib/lock.ts";
import { takeLock } from "../run/lock.ts";
import { openProvider, type Provider } from "../run/provider.ts";
import { makeHost, type PoolPlace, removeHost } from "../run/pool/hosts.ts";
import { RequestRates } from "../run/pool/load.ts";
import { freeHosts, observePool, type SeenPool } from "../run/pool/observe.ts";
import { type PoolRecord, readPool, writePool } from "../run/pool/record.ts";
import { loadRecord } from "../run/upgrade/record.ts";

export interface PoolTurn {
  readonly actions: readonly PoolAction[];
  readonly alarms: readonly string[];
  /** As many serve as are wanted, all well, and nothing is under way. */
  readonly settled: boolean;
}

/** Nothing was looked at: another command is changing the topology. */
const waiting: PoolTurn = {
  actions: [],
  alarms: ["another command is changing this topology: the pool waits for it"],
  settled: false,
};

export class PoolController {
  readonly #place: PoolPlace;
  readonly #settings: PoolSettings;
  #memory: PoolMemory;
  #lock: Lock | null = null;
  readonly #rates = new RequestRates();
  readonly #work = {
    making: new Set<string>(),
    removing: new Set<string>(),
    failed: new Set<string>(),
    made: new Set<string>(),
  };
  readonly #running = new Set<Promise<void>>();

  constructor(place: PoolPlace, settings: PoolSettings) {
    this.#place = place;
    this.#settings = settings;
    this.#memory = initialMemory(settings, performance.now());
  }

  /** One turn. What it begins goes on behind it. @throws HoldfastError when it cannot look at all */
  async turn(): Promise<PoolTurn> {
    const { directory, full, home, reporter } = this.#place;
    if (this.#lock === null && (await isBusy(directory))) return waiting;
    const record = await readPool(directory, full);
    const provider = await openProvider(full, home, reporter);
    if (provider.machines.length === 0) {
      throw new HoldfastError(`${full.name} is not up: there is nothing to keep`, { fix: "holdfast up" });
    }
    const at = performance.now();
    const seen = await observePool(full, record, provider, this.#work);
    const members = await this.#withLoad(seen);
    const observed = { ...seen, members, at };
    const taken = step(this.#settings, this.#memory, observed, performance.now());
    this.#memory = taken.memory;
    if (taken.actions.length > 0 && performance.now() < taken.validUntil) {
      await this.#act(taken.actions, record, seen, provider);
    }
    await this.#free();
    const serving = seen.members.filter(({ role }) => role === "serving");
    const settled =
      taken.actions.length === 0 &&
      this.#running.size === 0 &&
      serving.length === record.desired &&
      seen.members.length === record.desired + this.#settings.spares &&
      serving.every(({ entry, monitor }) => entry === "up" && monitor === "well");
    return { actions: taken.actions, alarms: taken.alarms, settled };
  }

  async #withLoad({ members, entries }: SeenPool): Promise<SeenPool["members"]> {
    if (this.#settings.target === null || entries.size === 0) return members;
    const rates = await this.#rates.measure([...entries.keys()], performance.now());
    return members.map((member) => ({ ...member, load: rates?.get(member.id) ?? null }));
  }

  /** Something that was begun has ended, or `ms` have passed: time for the next turn. */
  async next(ms: number, signal?: AbortSignal): Promise<void> {
    const timer = new AbortController();
    const end = signal === undefined ? timer.signal : AbortSignal.any([timer.signal, signal]);
    const timeout = sleep(ms, undefined, { signal: end }).catch(() => undefined);
    await Promise.race([timeout, ...this.#running]);
    timer.abort();
  }

  /** Waits until what was begun has ended. */
  async close(): Promise<void> {
    await Promise.all(this.#running);
    await this.#free();
  }

  async #act(
    actions: readonly PoolAction[],
    record: PoolRecord,
    seen: SeenPool,
    provider: Provider,
  ): Promise<void> {
    const { directory, full, reporter } = this.#place;
    this.#lock ??= await takeLock(directory, "controller run");
    // Before the record: a member that serves by the record and is out at the entry looks taken out by hand.
    for (const action of actions) {
      if (action.kind === "serve") await this.#atEntries(seen, action.id, "ready");
    }
    const next = changed(record, actions, this.#place, provider);
    if (next !== record && !(await writePool(directory, full, next))) return;
    for (const action of actions) reporter.event({ type: "pool", ...action });
    for (const action of actions) {
      if (action.kind === "drain") await this.#atEntries(seen, action.id, "maint");
      if (action.kind === "make") await this.#make(action.id, seen);
      if (action.kind === "remove") this.#remove(action);
      if (action.kind === "forget") this.#work.failed.delete(action.id);
    }
  }

  /** An entry host that cannot be reached knows nothing of the pool's states when it is back: its checks decide. */
  async #atEntries(seen: SeenPool, host: string, state: "maint" | "ready"): Promise<void> {
    await Promise.all(
      [...seen.entries.keys()].map((entry) =>
        setPoolState(entry, host, state).catch((error: unknown) => {
          if (!(error instanceof HostUnreachable)) throw error;
        }),
      ),
    );
  }

  async #make(host: string, seen: SeenPool): Promise<void> {
    const { making, failed, made } = this.#work;
    if (making.has(host)) return;
    making.add(host);
    // So that it gets no clients before it is found ready.
    await this.#atEntries(seen, host, "maint");
    this.#begin(`make ${host}`, async () => {
      try {
        await makeHost(this.#place, host);
        made.add(host);
      } catch (error) {
        failed.add(host);
        throw error;
      } finally {
        making.delete(host);
      }
    });
  }

  #remove({ id: host, cut }: Extract<PoolAction, { kind: "remove" }>): void {
    const { removing, made } = this.#work;
    if (removing.has(host)) return;
    removing.add(host);
    const what = cut === 0 ? "" : `, with ${cut} connections that did not end in time`;
    this.#begin(`remove ${host}${what}`, async () => {
      try {
        await removeHost(this.#place, host);
        made.delete(host);
      } finally {
        removing.delete(host);
      }
    });
  }

  #begin(title: string, work: () => Promise<void>): void {
    const task = this.#place.reporter.task(title);
    const running = work()
      .then(() => task.done())
      // What did not succeed is seen by the next turn, which decides what becomes of it.
      .catch((error: unknown) => task.fail(error instanceof Error ? error.message : String(error)))
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Others may change the topology again as soon as nothing is under way. */
  async #free(): Promise<void> {
    if (this.#running.size > 0 || this.#lock === null) return;
    const lock = this.#lock;
    this.#lock = null;
    await lock.release();
  }
}

async function isBusy(directory: string): Promise<boolean> {
  // Its hosts are of two releases, and one may be out of the pool: that is the upgrade's to end.
  if ((await loadRecord(directory)) !== null) return true;
  const lock = await tryLock(directory);
  await lock?.release();
  return lock === undefined;
}

/** The record after what the actions write down; the same one when they write nothing. */
export function changed(
  record: PoolRecord,
  actions: readonly PoolAction[],
  { full }: Pick<PoolPlace, "full">,
  provider: Provider,
): PoolRecord {
  let { desired, members } = record;
  for (const action of actions) {
    if (action.kind === "resize") desired = action.to;
    if (action.kind === "forget") members = members.filter(({ host }) => host !== action.id);
    if (action.kind === "serve" || action.kind === "drain") {
      const role = action.kind === "serve" ? ("serving" as const) : ("draining" as const);
      members = members.map((member) => (member.host === action.id ? { ...member, role } : member));
    }
    if (action.kind === "reserve") {
      const host = freeHosts(full, { ...record, members }, provider).find(
        (name) => full.hosts[name]?.zone === action.zone,
      );
      if (host === undefined) throw new HoldfastError(`zone ${action.zone} has no free host`);
      members = [...members, { host, role: "standby", protected: false }];
    }
  }
  return desired === record.desired && members === record.members ? record : { ...record, desired, members };
}
