import { absorb } from "./absorb.ts";
import type { Draft } from "./draft.ts";
import { full } from "./limits.ts";
import { reconcile } from "./reconcile.ts";
import type { AddressState, ControllerEvent, ControllerSettings, ControllerState, Step } from "./types.ts";

/** A controller that knows nothing yet. Nothing is kept over a restart: all of it is looked at again. */
export function initialState(settings: ControllerSettings, now: number): ControllerState {
  const address: AddressState = {
    view: null,
    api: null,
    probe: null,
    verdict: null,
    sawServing: false,
    silent: 0,
    wrote: null,
    tookThisTerm: false,
    deniedUntil: 0,
    pollAt: now,
    pollMs: settings.poll.fastMs,
    moves: full(settings.moves, now),
    alarm: null,
  };
  return {
    now,
    observed: null,
    observedAt: now,
    lookedAt: now,
    observeAskedAt: null,
    roleSince: now,
    stateFile: null,
    fit: null,
    failingSince: null,
    failures: 0,
    quietUntil: 0,
    calls: full(settings.calls, now),
    nextCall: 1,
    addresses: settings.addresses.map(() => address),
    wakeAt: now,
  };
}

/**
 * One turn of the controller: what the event changes in what it knows, and what it wants done now.
 * A repeated, late or lost event changes nothing in the end. Call it again with a tick at `state.wakeAt`.
 * @param now milliseconds of a clock that never goes back
 */
export function step(
  settings: ControllerSettings,
  state: ControllerState,
  event: ControllerEvent,
  now: number,
): Step {
  const draft: Draft = {
    ...state,
    addresses: state.addresses.map((address) => ({ ...address })),
    now: Math.max(now, state.now),
    wakeAt: Infinity,
    settings,
    actions: [],
    random: event.random,
  };
  absorb(draft, event);
  reconcile(draft);
  // Field by field: taking the others out of the draft by rest is ten times slower, and simulators notice.
  const { observed, observedAt, lookedAt, observeAskedAt, roleSince, stateFile, fit, failingSince } = draft;
  const { failures, quietUntil, calls, nextCall, addresses, wakeAt } = draft;
  const known = { observed, observedAt, lookedAt, observeAskedAt, roleSince, stateFile, fit, failingSince };
  return {
    state: { now: draft.now, ...known, failures, quietUntil, calls, nextCall, addresses, wakeAt },
    actions: draft.actions,
  };
}
