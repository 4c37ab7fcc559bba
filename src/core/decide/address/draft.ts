import { isAt } from "./judge.ts";
import type {
  AddressSettings,
  AddressState,
  ControllerAction,
  ControllerSettings,
  ControllerState,
} from "./types.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** One address while a step works on it. */
export type AddressDraft = Mutable<AddressState>;

/** The state while a step works on a copy of it, with what the step has found out so far. */
export interface Draft extends Mutable<Omit<ControllerState, "addresses">> {
  readonly settings: ControllerSettings;
  readonly addresses: AddressDraft[];
  readonly actions: ControllerAction[];
  readonly random: number;
}

export function wakeBy(draft: Draft, time: number): void {
  if (time < draft.wakeAt) draft.wakeAt = time;
}

/**
 * The healthy VRRP master should have the addresses; in strict mode it must hold the lease too. A host that
 * has said that it is not fit to be master is on its way to not being it.
 */
export function isWanted({ settings, observed, fit }: Draft): boolean {
  return (
    fit !== false &&
    observed !== null &&
    observed.role === "master" &&
    observed.healthy &&
    (settings.mode === "fast" || observed.lease === "mine")
  );
}

export const isMine = (own: AddressSettings, address: Pick<AddressState, "view">): boolean =>
  isAt(own.target, address.view?.holder);

export function slowestPollMs({ settings: { poll }, observed }: Draft): number {
  return observed?.role === "master" ? poll.masterMs : poll.backupMs;
}

/** The time of the next description: after `pollMs`, spread by a fifth each way. */
export function schedulePoll(draft: Draft, address: AddressDraft, pollMs: number): void {
  address.pollMs = Math.min(pollMs, slowestPollMs(draft));
  address.pollAt = draft.now + address.pollMs * (0.8 + 0.4 * draft.random);
}

/** Tells people, unless they know. */
export function alarm(draft: Draft, own: AddressSettings, address: AddressDraft, message: string): void {
  if (address.alarm === message) return;
  address.alarm = message;
  draft.actions.push({ kind: "alarm", address: own.id, message });
}
