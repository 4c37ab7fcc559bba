import type { PoolAction } from "../../../src/core/decide/pool/types.ts";
import type { Machine, Record, World } from "./world.ts";

export interface Violation {
  readonly at: number;
  readonly what: string;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
/** After the last change all is as it should be: the longest backoff, a boot that fails, and seven hosts replaced in turn. */
export const BOUND = 25 * MINUTE;
/** Zones whose boots failed are avoided for half an hour after a backoff of ten minutes. */
const SPREAD = 50 * MINUTE;
/** How old what a controller knows may be when its write arrives: 5 s, and what a slow etcd adds. */
const KNOWLEDGE = 12 * SECOND;
/** Of one host, with all else in order: notice and grace 4.5 s, boot 6 s, and some turns of 1 s. */
const CLEAN = 18 * SECOND;
const CLEAN_WITH_SPARE = 8 * SECOND;

/** Checks the invariants while the world runs. */
export class Watcher {
  readonly violations: Violation[] = [];
  readonly cleanTimes: number[] = [];
  readonly spareTimes: number[] = [];
  drains = 0;
  makes = 0;
  lastChange = -1;
  lastBootFailure = -Infinity;
  /** One host was killed with all else in order. */
  clean: { readonly from: number; readonly spare: boolean } | null = null;
  /** One host was sick for a moment with all else in order. */
  blip = false;
  readonly #world: World;
  #made: number[] = [];
  #terms: number[] = [];
  #failures = new Map<string, number[]>();
  #lateActions = 0;

  constructor(world: World) {
    this.#world = world;
  }

  violate(what: string): void {
    this.violations.push({ at: this.#world.now, what });
  }

  changed(): void {
    const { simulation } = this.#world;
    this.clean = null;
    this.blip = false;
    this.#lateActions = 0;
    if (this.lastChange === simulation.now) return;
    this.lastChange = simulation.now;
    const { lastChange } = this;
    simulation.after(BOUND, () => {
      if (this.lastChange === lastChange) this.#settled(6);
    });
    simulation.after(SPREAD, () => {
      if (this.lastChange === lastChange) this.#spread();
    });
  }

  /** A controller's term begins: limits are per term, since its memory is. */
  began(): void {
    this.#terms.push(this.#world.now);
  }

  #recently(times: readonly number[], within = HOUR): number[] {
    return times.filter((time) => this.#world.now - time < within);
  }

  acted({ kind }: PoolAction): void {
    const since = this.#world.now - this.lastChange;
    if (since < 60 * SECOND && this.blip && kind !== "resize") {
      this.violate(`${kind} upon a sickness of a second`);
    }
    // To spread hosts again may be six writes for each.
    if (since > BOUND && ++this.#lateActions > 24) this.violate(`restless: ${kind}, with nothing changed`);
  }

  resizing(to: number): void {
    const { now, loadUnknownSince, desired } = this.#world;
    if (to < desired && now - loadUnknownSince > KNOWLEDGE) {
      this.violate(`${to} hosts wanted, not ${desired}, though nobody knows the load`);
    }
  }

  made(): void {
    const { settings, machines } = this.#world;
    this.makes++;
    this.#made = [...this.#recently(this.#made), this.#world.now];
    this.#terms = this.#recently(this.#terms, HOUR + 10 * MINUTE);
    const { max, spares } = settings;
    const limit = (max + spares + 2) * Math.max(1, this.#terms.length) + HOUR / (40 * SECOND);
    if (this.#made.length > limit) this.violate(`${this.#made.length} machines made in an hour`);
    // Thrice: what controllers that crashed had asked for may come late.
    if (machines.size > 3 * (2 * max + spares)) this.violate(`${machines.size} machines at once`);
  }

  booted(zone: string): void {
    this.#failures.delete(zone);
  }

  bootFailed(zone: string): void {
    this.lastBootFailure = this.#world.now;
    const failures = [...this.#recently(this.#failures.get(zone) ?? []), this.#world.now];
    this.#failures.set(zone, failures);
    // 10, 20, 40 … 600 s apart, at first as many at once as are missing, and some that were not waited for.
    const perTerm = 30 + this.#world.settings.max + this.#world.settings.spares;
    if (failures.length <= perTerm * Math.max(1, this.#recently(this.#terms).length)) return;
    this.violate(`${failures.length} boots failed in zone ${zone} in an hour, without a pause between`);
  }

  removing(machine: Machine): void {
    const { now, records, settings } = this.#world;
    const record = records.get(machine.id);
    if (record === undefined) return;
    if (record.role !== "draining") this.violate(`${machine.id} removed while it is ${record.role}`);
    const drained = now - record.drainedAt;
    const served = machine.vouchedSince <= now - KNOWLEDGE && record.served;
    if (served && now < record.sessionsUntil && drained < settings.drainMs - SECOND) {
      this.violate(`${machine.id} removed ${drained} ms after it began to drain, with connections`);
    }
  }

  /** Called before the record changes. */
  draining(record: Record, why: string): void {
    if (record.role !== "serving") return;
    this.drains++;
    const world = this.#world;
    const { now, serving, settings, desired, resizes } = world;
    const machine = world.machineOf(record);
    const vouched = machine !== undefined && machine.vouchedSince <= now - KNOWLEDGE;
    if (vouched && why.startsWith("lost"))
      this.violate(`${record.id} drained as lost: one judge vouched for it`);
    const lately = resizes.filter(({ at }) => now - at < KNOWLEDGE).map(({ from }) => from);
    const wanted = Math.min(desired, ...lately);
    const others = serving.filter((other) => other !== machine);
    const well = others.filter(({ wellUntil }) => wellUntil > now - KNOWLEDGE).length;
    const roomy = world.slots >= 30;
    const id = record.id;
    if (vouched && well < settings.min) this.violate(`${id} drained: ${well} are left, under the minimum`);
    if (vouched && roomy && well < wanted) this.violate(`${id} drained: ${well} are left of ${wanted}`);
    if (roomy && this.#servingRecords() - 1 < wanted) this.violate(`${id} drained before another serves`);
    const sick = serving.filter(({ sickSince }) => sickSince <= now - KNOWLEDGE).length;
    const crowded = world.records.size + world.orphans >= 2 * settings.max + settings.spares;
    if (sick > 1 && 2 * sick > this.#servingRecords() && well < wanted && !crowded) {
      this.violate(`${id} drained while ${sick} of ${serving.length} are sick`);
    }
    if (record.protected && vouched && record.image === world.image) this.violate(`${id} is protected`);
    const leaving = [...world.records.values()].filter(
      (one) => one.role === "draining" && one.served && world.machines.has(one.id),
    ).length;
    const share = settings.replaceShare * Math.max(desired, ...lately);
    const limit = Math.max(1, Math.floor(share));
    if (leaving + 1 > limit) this.violate(`${leaving + 1} hosts drain at once, not ${limit}`);
  }

  #servingRecords(): number {
    let count = 0;
    for (const { role } of this.#world.records.values()) if (role === "serving") count++;
    return count;
  }

  /** Called whenever it may have changed: a clean kill is over when the strength is back. */
  strength(): void {
    if (this.clean === null) return;
    const { now, desired, serving } = this.#world;
    if (now === this.clean.from || this.#strong(serving) < desired) return;
    const { from, spare } = this.clean;
    this.clean = null;
    (spare ? this.spareTimes : this.cleanTimes).push(now - from);
    const limit = spare ? CLEAN_WITH_SPARE : CLEAN;
    if (now - from > limit) this.violate(`slow: full strength ${now - from} ms after one host was lost`);
  }

  #strong(serving: readonly Machine[]): number {
    return serving.filter((machine) => machine.entryUp && this.#world.isOk(machine)).length;
  }

  /**
   * Nothing has changed for the bound: everything must be as it should be. To spread hosts over zones one more
   * serves for a minute or two, several times: so it must be so at one of some looks.
   */
  #settled(looks: number): void {
    const wrong = this.#wrong();
    if (wrong.length === 0) return;
    if (looks === 1) {
      for (const what of wrong) this.violate(what);
      return;
    }
    const { lastChange } = this;
    this.#world.simulation.after(50 * SECOND, () => {
      if (this.lastChange === lastChange) this.#settled(looks - 1);
    });
  }

  #wrong(): string[] {
    const world = this.#world;
    const { settings, records, machines, desired, serving, load } = world;
    if (world.isStuck) return [];
    const wrong: string[] = [];
    const strong = this.#strong(serving);
    if (strong !== desired) wrong.push(`dark: ${strong} hosts serve, not ${desired}`);
    const total = desired + settings.spares;
    if (machines.size !== total) wrong.push(`leaked: ${machines.size} machines, not ${total}`);
    if (records.size !== total) wrong.push(`leaked: ${records.size} records, not ${total}`);
    const old = [...records.values()].filter(({ image }) => image !== world.image).length;
    // One host after the other is one fewer meanwhile where there is no room for one more.
    const replaceable = world.slots >= 30 || desired > settings.min;
    if (old > 0 && replaceable) wrong.push(`${old} hosts have an old image`);
    const { target, tolerance, min, max } = settings;
    if (target === null) return wrong;
    if (desired < max && load / desired > target * (1 + tolerance)) {
      wrong.push(`${desired} hosts for a load of ${load}`);
    }
    if (desired > min && load / (desired - 1) <= target * (1 - tolerance)) {
      wrong.push(`${desired} hosts for a load of ${load}`);
    }
    return wrong;
  }

  /** Hosts that serve, by zone. */
  get #counts(): number[] {
    const { zones, serving } = this.#world;
    return zones.map((zone) => serving.filter((machine) => machine.zone === zone).length);
  }

  get isSpread(): boolean {
    return Math.max(...this.#counts) - Math.min(...this.#counts) <= 1;
  }

  #spread(): void {
    const world = this.#world;
    if (world.isStuck || world.now - this.lastBootFailure < SPREAD || world.slots < 30) return;
    const counts = this.#counts;
    const most = Math.max(...counts);
    const movable = [...world.records.values()].some(
      (record) => !record.protected && counts[world.zones.indexOf(record.zone)] === most,
    );
    if (movable && !this.isSpread) this.violate(`lopsided: ${counts.join(", ")} hosts`);
  }
}
