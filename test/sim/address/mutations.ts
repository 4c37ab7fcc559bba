import type {
  ControllerAction,
  ControllerEvent,
  ControllerSettings,
  ControllerState,
  Step,
} from "../../../src/core/decide/address/types.ts";
import type { Controller } from "./node.ts";
import { product } from "./run.ts";

type Settings = Partial<ControllerSettings>;

/** The product's controller with wrong settings. */
const withSettings = (change: (settings: ControllerSettings) => Settings): Controller => ({
  ...product,
  settings: (settings) => ({ ...settings, ...change(settings) }),
});

/** The product's controller that hears something else than what happened; null: nothing. */
const hearing = (
  change: (event: ControllerEvent, state: ControllerState) => ControllerEvent | null,
): Controller => ({
  ...product,
  step: (settings, state, event, now) => {
    const heard = change(event, state);
    return heard === null ? { state, actions: [] } : product.step(settings, state, heard, now);
  },
});

/** The product's controller that does something else than it wants. */
const doing = (
  change: (step: Step, event: ControllerEvent, before: ControllerState) => Step,
): Controller => ({
  ...product,
  step: (settings, state, event, now) => change(product.step(settings, state, event, now), event, state),
});

const without = ({ state, actions }: Step, kind: ControllerAction["kind"]): Step => ({
  state,
  actions: actions.filter((action) => action.kind !== kind),
});

const lastKnownRole = (state: ControllerState): string => state.observed?.role ?? "unknown";

/** A probe's answer, as if that had been it. */
const probed = (answer: Partial<Extract<ControllerEvent, { kind: "probed" }>>): Controller =>
  hearing((event) => (event.kind === "probed" ? { ...event, ...answer } : event));

/** First removes the address from its holder, as a script would, then associates it. */
function disassociateFirst({ state, actions }: Step): Step {
  const index = actions.findIndex((action) => action.kind === "associate" && action.allowReassociation);
  const action = actions[index];
  const address = state.addresses.find(
    ({ api }) => action !== undefined && "call" in action && api?.call === action.call,
  );
  const associationId = address?.view?.associationId;
  if (
    action?.kind !== "associate" ||
    address?.api === undefined ||
    associationId === undefined ||
    associationId === null
  ) {
    return { state, actions };
  }
  const { call, startBy, timeoutMs } = action;
  const first: ControllerAction = {
    kind: "disassociate",
    call,
    address: action.address,
    startBy,
    timeoutMs,
    associationId,
  };
  const addresses = state.addresses.map((other) =>
    other === address && other.api !== null
      ? { ...other, api: { ...other.api, kind: "disassociate" as const } }
      : other,
  );
  return { state: { ...state, addresses }, actions: actions.with(index, first) };
}

/** Gives the address up as soon as VRRP says that somebody else is master. */
function pushAway(step: Step, event: ControllerEvent, before: ControllerState): Step {
  if (event.kind !== "observed" || event.role !== "backup" || lastKnownRole(before) === "backup") return step;
  const associationId = before.addresses[0]?.view?.associationId;
  const describe = step.actions.find((action) => action.kind === "describe");
  if (describe === undefined || associationId === undefined || associationId === null) return step;
  const { call, address, startBy, timeoutMs } = describe;
  const push: ControllerAction = { kind: "disassociate", call, address, startBy, timeoutMs, associationId };
  return { ...step, actions: step.actions.map((action) => (action === describe ? push : action)) };
}

/** Acts when it becomes master, and never looks again. */
const edgeDriven: Controller = {
  ...product,
  step: (settings, state, event, now) => {
    const step = product.step(settings, state, event, now);
    const isEdge = event.kind === "observed" && event.role !== lastKnownRole(state);
    const settled = now - step.state.roleSince > 2000;
    if (isEdge || !settled) return step;
    return {
      ...step,
      actions: step.actions.filter(({ kind }) => kind === "observe" || kind === "write-state-file"),
    };
  },
};

/** Stops describing once it has the address. */
const pollStops = doing((step) => {
  const { addresses } = step.state;
  return addresses.every(({ wrote }) => wrote?.sure === true) ? without(step, "describe") : step;
});

/** Takes a call's answer for the truth and does not look whether it is. */
const neverVerifies = hearing((event, state) =>
  event.kind === "described" && state.addresses.some(({ wrote }) => wrote !== null) ? null : event,
);

/** Forgets what it has asked for. */
const noSingleFlight: Controller = {
  ...product,
  step: (settings, state, event, now) => {
    const addresses = state.addresses.map((address) =>
      address.api !== null && "call" in event && event.call === address.api.call
        ? address
        : { ...address, api: null },
    );
    return product.step(settings, { ...state, addresses }, event, now);
  },
};

const unknownIsSuccess = hearing((event) =>
  event.kind === "failed" && event.reason === "unknown"
    ? { kind: "associated", call: event.call, associationId: "assumed", random: event.random }
    : event,
);

const takesAtOnce: Controller = {
  ...product,
  step: (settings, state, event, now) => {
    const addresses = state.addresses.map((address) => ({
      ...address,
      verdict: { kind: "take" as const, serving: false, yields: true, at: now },
    }));
    return product.step(settings, { ...state, addresses }, event, now);
  },
};

const takesAsBackup = hearing((event) =>
  event.kind === "observed" && event.role === "backup" ? { ...event, role: "master" } : event,
);

const FAST_PROBES = { timeoutMs: 5, intervalMs: 1000, takeoverFall: 1, fall: 4 };
const NO_LIMIT = { capacity: 1e9, refillMs: 1, reserve: 0 };

/** Every one of them is wrong, and the simulator must say so. */
export const mutations: Readonly<Record<string, Controller>> = {
  "edge-driven": edgeDriven,
  "polling stops after success": pollStops,
  "never verifies": neverVerifies,
  "forgets what is in flight": noSingleFlight,
  "an unknown outcome is a success": unknownIsSuccess,
  "disassociates first": doing(disassociateFirst),
  "BACKUP pushes the address away": doing(pushAway),
  "BACKUP takes the address": takesAsBackup,
  "asks no holder": takesAtOnce,
  "takes a holder's silence on the VRRP network for its death": probed({ service: "silent" }),
  "one silent probe is enough": withSettings(({ probes }) => ({
    probes: { ...probes, fall: 1, takeoverFall: 1 },
  })),
  "a holder that yields keeps the address": probed({ peer: "silent" }),
  "a split is not seen when the peer answers": hearing((event) =>
    event.kind === "probed" && event.peer === "master" ? { ...event, peer: "backup" } : event,
  ),
  "does not wait out a blip": withSettings(() => ({ blipMs: 0, probes: FAST_PROBES })),
  "trusts a stale read": withSettings(() => ({ staleReadMs: 0 })),
  "an old role is as good as a new one": withSettings(() => ({ roleFreshMs: 1e9 })),
  "no damping": withSettings(() => ({
    moves: { capacity: 1e9, refillMs: 1 },
    // The limit of calls damps too.
    calls: { capacity: 1000, refillMs: 3000, reserve: 10 },
  })),
  "no backoff": withSettings(() => ({ backoff: { firstMs: 1, maxMs: 1, deniedMs: 1 }, calls: NO_LIMIT })),
  "polls without a limit": withSettings(() => ({
    poll: { fastMs: 100, masterMs: 100, backupMs: 100 },
    calls: NO_LIMIT,
  })),
  "a master without the API stays master": doing((step) => without(step, "set-fit")),
  "does not announce": doing((step) => without(step, "announce")),
  "never looks at its role again": doing((step) => without(step, "observe")),
};
