import type {
  Member,
  Observation,
  PoolAction,
  PoolMemory,
  PoolSettings,
  PoolStep,
} from "../../../src/core/decide/pool/types.ts";
import type { Brain } from "./controller.ts";
import { product } from "./run.ts";

/** The product's controller with wrong settings. */
const withSettings = (change: (settings: PoolSettings) => Partial<PoolSettings>): Brain => ({
  ...product,
  settings: (settings) => ({ ...settings, ...change(settings) }),
});

/** The product's controller that sees something else than what is there. */
const seeing = (change: (observed: Observation, memory: PoolMemory) => Observation): Brain => ({
  ...product,
  step: (settings, memory, observed, now) => product.step(settings, memory, change(observed, memory), now),
});

const seeingMembers = (change: (member: Member) => Partial<Member>): Brain =>
  seeing((observed) => ({
    ...observed,
    members: observed.members.map((member) => ({ ...member, ...change(member) })),
  }));

/** The product's controller that does something else than it wants. */
const doing = (
  change: (step: PoolStep, observed: Observation, settings: PoolSettings) => readonly PoolAction[],
): Brain => ({
  ...product,
  step: (settings, memory, observed, now) => {
    const step = product.step(settings, memory, observed, now);
    return { ...step, actions: change(step, observed, settings) };
  },
});

const without = (kind: PoolAction["kind"]): Brain =>
  doing(({ actions }) => actions.filter((action) => action.kind !== kind));

const servingOf = ({ members }: Observation): readonly Member[] =>
  members.filter(({ role }) => role === "serving");

const isSick = ({ entry, monitor }: Member): boolean => entry === "down" && monitor !== "well";

/** Drains whoever `wrong` names, beside what the product wants. */
const alsoDrains = (wrong: (observed: Observation, settings: PoolSettings) => readonly Member[]): Brain =>
  doing(({ actions }, observed, settings) => [
    ...actions,
    ...wrong(observed, settings)
      .filter(({ id }) => !actions.some((action) => "id" in action && action.id === id))
      .map(({ id }): PoolAction => ({ kind: "drain", id, why: "" })),
  ]);

/** Acts on what has changed since the turn before, and on nothing else. */
function edgeDriven(): Brain {
  let last = "";
  return doing(({ actions }, { members }) => {
    const seen = JSON.stringify(members.map(({ id, role, machine, entry }) => [id, role, machine, entry]));
    const changed = seen !== last;
    last = seen;
    return changed ? actions : [];
  });
}

/** Removes at once whatever drains. */
const doesNotWait = doing(({ actions }, { members }) => [
  ...actions.filter(({ kind }) => kind !== "remove"),
  ...members.flatMap(({ id, role, machine }): PoolAction[] =>
    role === "draining" && machine === "running" ? [{ kind: "remove", id, cut: 0 }] : [],
  ),
]);

/** Removes in the very turn that decides to drain. */
const removesAtOnce = doing(({ actions }) =>
  actions.flatMap((action): PoolAction[] =>
    action.kind === "drain" ? [action, { kind: "remove", id: action.id, cut: 0 }] : [action],
  ),
);

const noMemory: Brain = {
  ...product,
  step: (settings, memory, observed, now) => {
    const step = product.step(settings, memory, observed, now);
    return { ...step, memory: { ...product.initial(settings, now), makes: step.memory.makes } };
  },
};

/** In a world in which only this goes wrong, so that it happens often. */
const amid = (faults: readonly string[], brain: Brain, seed = 0): Brain => ({ ...brain, faults, seed });

/** Every one of them is wrong, and the simulator must say so. */
export const mutations: Readonly<Record<string, Brain>> = {
  "the entry's word is enough": seeingMembers(({ entry, role }) =>
    role === "serving" && entry === "down" ? { monitor: "silent" } : {},
  ),
  "the monitor's word is enough": amid(
    ["monitor calls it sick", "monitor flaps", "kill"],
    seeingMembers(({ monitor, role }) => (role === "serving" && monitor !== "well" ? { entry: "down" } : {})),
  ),
  "an entry that cannot be asked calls everybody down": amid(
    ["entry cannot be asked", "hosts cannot be asked"],
    seeingMembers(({ entry }) => (entry === "unknown" ? { entry: "down" } : {})),
    33,
  ),
  "no grace": amid(
    ["reboot"],
    withSettings(() => ({ graceMs: 0 })),
    26,
  ),
  "a pool that is mostly sick is replaced": alsoDrains((observed) => servingOf(observed).filter(isSick)),
  "stops before it starts": alsoDrains((observed) => servingOf(observed).filter(isSick).slice(0, 1)),
  "replaces all at once": withSettings(() => ({ replaceShare: 10 })),
  "no backoff": amid(
    ["machines cannot be made", "kill"],
    withSettings(({ makes }) => ({
      backoff: { firstMs: 1, maxMs: 1, forgetMs: 1 },
      makes: { ...makes, capacity: 1e9 },
    })),
  ),
  "makes machines without a limit": withSettings(() => ({
    makes: { capacity: 1e9, refillMs: 1 },
    backoff: { firstMs: 1, maxMs: 1, forgetMs: 1 },
    bootMs: 1000,
  })),
  "edge-driven": { ...product, step: (...given) => edges.step(...given) },
  "remembers nothing": noMemory,
  "does not wait for connections to end": doesNotWait,
  "waits for connections for ever": withSettings(() => ({ drainMs: Infinity })),
  "does not forget": without("forget"),
  "does not remove": without("remove"),
  "leaves orphans": seeing((observed) => ({ ...observed, orphans: [] })),
  "removes what serves": { ...removesAtOnce, rereads: false },
  "puts what is not ready into service": doing(({ actions }, { members }) => [
    ...actions.filter(({ kind }) => kind !== "serve"),
    ...members.flatMap(({ id, role }): PoolAction[] => (role === "standby" ? [{ kind: "serve", id }] : [])),
  ]),
  "gives a failed boot all the time": amid(
    ["boots fail", "kill"],
    withSettings(() => ({ bootMs: Infinity })),
  ),
  "takes protected hosts": amid(
    ["operator scales", "load changes", "kill"],
    seeingMembers(() => ({ protected: false })),
  ),
  "spreads over no zones": withSettings(({ zones }) => ({ zones: zones.slice(0, 1) })),
  "does not follow the load": withSettings(() => ({ target: null })),
  "never gets smaller": withSettings(() => ({ inMs: Infinity, calmMs: Infinity })),
  "keeps no spare": withSettings(() => ({ spares: 0 })),
  "takes an unknown load for none": amid(
    ["load unknown", "load changes"],
    seeingMembers(({ load }) => ({ load: load ?? 0 })),
  ),
  "writes without comparing, and late": amid(
    ["controller stands still before its deeds", "new image", "kill", "operator scales"],
    { ...product, fenced: false, expires: false },
  ),
};

const edges = edgeDriven();
