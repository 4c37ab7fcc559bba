import type { Random } from "../../support/simulation.ts";
import type { Controller } from "./controller.ts";
import type { Machine, World } from "./world.ts";

export interface Fault {
  /** Shortest and longest, ms. */
  readonly lasts: readonly [number, number];
  /** @returns what ends it */
  begin(world: World, random: Random): () => void;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;

type Counter = "off" | "app" | "entryCut" | "monitorSick" | "monitorWell";
type Weather = Exclude<keyof World["weather"], "zones">;

const host = (counter: Counter, lasts: Fault["lasts"]): Fault => ({
  lasts,
  begin(world, random) {
    const machine = anyMachine(world, random);
    if (machine === undefined) return () => {};
    return trouble(world, machine, counter);
  },
});

function trouble(world: World, machine: Machine, counter: Counter): () => void {
  machine[counter]++;
  world.changed();
  return () => {
    machine[counter]--;
    world.changed();
  };
}

const anyMachine = (world: World, random: Random): Machine | undefined => {
  const machines = [...world.machines.values()];
  return machines.length === 0 ? undefined : random.pick(machines);
};

const everywhere = (weather: Weather, lasts: Fault["lasts"]): Fault => ({
  lasts,
  begin(world) {
    world.weather[weather]++;
    world.changed();
    return () => {
      world.weather[weather]--;
      world.changed();
    };
  },
});

/** On and off until it ends. */
const flapping = (counter: Counter): Fault => ({
  lasts: [20 * SECOND, 5 * MINUTE],
  begin(world, random) {
    const machine = anyMachine(world, random);
    if (machine === undefined) return () => {};
    const half = random.pick([500, 2000, 5000, 20_000]);
    let over = false;
    let mend: (() => void) | null = null;
    const turn = (): void => {
      if (over || !world.machines.has(machine.id)) return;
      if (mend === null) mend = trouble(world, machine, counter);
      else {
        mend();
        mend = null;
      }
      world.simulation.after(random.between(half / 2, half * 2), turn);
    };
    turn();
    return () => {
      over = true;
      mend?.();
      mend = null;
    };
  },
});

/** Powered off, and nobody powers it on again. */
export function kill(world: World, machine: Machine): void {
  machine.off++;
  world.changed();
}

const controller = (begin: (controller: Controller) => () => void, lasts: Fault["lasts"]): Fault => ({
  lasts,
  begin(world, random) {
    const one = random.chance(0.7) && world.leader !== null ? world.leader : random.pick(world.controllers);
    const end = begin(one);
    world.changed();
    return () => {
      end();
      world.changed();
    };
  },
});

const crash = (one: Controller): (() => void) => {
  one.crash();
  return () => one.start();
};

const pause = (one: Controller): (() => void) => {
  one.stop();
  return () => one.resume();
};

const cutFromEtcd = (world: World, one: Controller): (() => void) => {
  one.etcdCut++;
  world.leaseEnds(one);
  return () => {
    one.etcdCut--;
    if (one.etcdCut === 0 && one.process.running && !one.process.stopped) world.leaseGoesOn(one);
  };
};

const zoneOutage: Fault = {
  lasts: [20 * SECOND, 15 * MINUTE],
  begin(world, random) {
    const zone = random.pick(world.zones);
    const { zones } = world.weather;
    zones.set(zone, (zones.get(zone) ?? 0) + 1);
    world.changed();
    return () => {
      zones.set(zone, (zones.get(zone) ?? 0) - 1);
      world.changed();
    };
  },
};

/** Done at once, with nothing to end. */
const once = (act: (world: World, random: Random) => void): Fault => ({
  lasts: [1, 1],
  begin(world, random) {
    act(world, random);
    world.changed();
    return () => {};
  },
});

export const protect: Fault = {
  lasts: [MINUTE, 20 * MINUTE],
  begin(world, random) {
    const records = [...world.records.values()].filter(({ role }) => role === "serving");
    if (records.length === 0) return () => {};
    const record = random.pick(records);
    record.protected = true;
    world.revision++;
    return () => {
      record.protected = false;
      world.revision++;
      world.changed();
    };
  },
};

export const changeLoad = (world: World, random: Random): void => {
  const { max, min } = world.settings;
  world.load = random.between(0, 130 * max) + (random.chance(0.1) ? 200 * max : 0);
  if (random.chance(0.3)) world.load = 100 * random.between(min, max);
};

export const scale = (world: World, random: Random): void => {
  const { min, max } = world.settings;
  world.resize(random.between(min, max));
  world.revision++;
};

export const faults: Readonly<Record<string, Fault>> = {
  kill: once((world, random) => {
    const machine = anyMachine(world, random);
    if (machine !== undefined) kill(world, machine);
  }),
  "kill another": once((world, random) => {
    const machine = anyMachine(world, random);
    if (machine !== undefined) kill(world, machine);
  }),
  reboot: host("off", [2 * SECOND, 60 * SECOND]),
  "app hangs": host("app", [SECOND, 10 * MINUTE]),
  "app flaps": flapping("app"),
  "cut off from the entry": host("entryCut", [SECOND, 10 * MINUTE]),
  "entry's checks flap": flapping("entryCut"),
  "monitor calls it sick": host("monitorSick", [SECOND, 10 * MINUTE]),
  "monitor calls it well": host("monitorWell", [SECOND, 10 * MINUTE]),
  "monitor flaps": flapping("monitorSick"),
  "entry's checks are sick": everywhere("checkers", [5 * SECOND, 10 * MINUTE]),
  "all monitors are sick": everywhere("monitors", [5 * SECOND, 10 * MINUTE]),
  "monitors are often silent": everywhere("quietMonitors", [5 * SECOND, 10 * MINUTE]),
  "hosts cannot be asked": everywhere("hostsCut", [5 * SECOND, 10 * MINUTE]),
  "entry cannot be asked": everywhere("entriesCut", [5 * SECOND, 10 * MINUTE]),
  "database down": everywhere("shared", [5 * SECOND, 10 * MINUTE]),
  "load unknown": everywhere("loadUnknown", [MINUTE, 20 * MINUTE]),
  "slow boots": everywhere("slowBoots", [MINUTE, 20 * MINUTE]),
  "boots fail": everywhere("failingBoots", [MINUTE, 60 * MINUTE]),
  "machines cannot be made": everywhere("provider", [MINUTE, 20 * MINUTE]),
  "machines are made late": everywhere("hangingMakes", [MINUTE, 20 * MINUTE]),
  "removals hang": everywhere("hangingRemovals", [MINUTE, 20 * MINUTE]),
  "etcd is slow": everywhere("slowStore", [5 * SECOND, 10 * MINUTE]),
  "zone outage": zoneOutage,
  "controller crashes": controller(crash, [SECOND, 5 * MINUTE]),
  "controller stands still": controller(pause, [SECOND, 2 * MINUTE]),
  "controller stands still before its deeds": controller(
    (one) => {
      one.frail++;
      return () => {
        one.frail--;
      };
    },
    [10 * SECOND, 5 * MINUTE],
  ),
  "controller cut from etcd": {
    lasts: [SECOND, 5 * MINUTE],
    begin: (world, random) => controller((one) => cutFromEtcd(world, one), [0, 0]).begin(world, random),
  },
  "no controller": {
    lasts: [10 * SECOND, 20 * MINUTE],
    begin(world) {
      const ends = world.controllers.map((one) => crash(one));
      world.changed();
      return () => {
        for (const end of ends) end();
        world.changed();
      };
    },
  },
  "load changes": once(changeLoad),
  "operator scales": once(scale),
  protect,
  "new image": once((world) => {
    world.image++;
    world.revision++;
  }),
};
