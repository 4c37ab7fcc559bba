import { alarm, type AddressDraft, type Draft, isMine, isWanted, schedulePoll } from "./draft.ts";
import { isAt, judge } from "./judge.ts";
import { backoffMs, draw } from "./limits.ts";
import type {
  AddressSettings,
  Awaited,
  ControllerEvent,
  FailureReason,
  Holder,
  Observation,
  View,
} from "./types.ts";

/** Makes what the event says part of the state. What follows from it is reconcile's. */
export function absorb(draft: Draft, event: ControllerEvent): void {
  if (event.kind === "tick") return;
  if (event.kind === "observed") {
    absorbObservation(draft, { role: event.role, healthy: event.healthy, lease: event.lease });
    return;
  }
  for (const [index, address] of draft.addresses.entries()) {
    const own = draft.settings.addresses[index];
    const awaited = address.api?.call === event.call ? address.api : address.probe;
    if (own === undefined || awaited?.call !== event.call) continue;
    if (awaited.kind === "probe") address.probe = null;
    else address.api = null;
    absorbAnswer(draft, own, address, awaited, event);
    return;
  }
}

function absorbObservation(draft: Draft, observed: Observation): void {
  const before = draft.observed?.role;
  draft.observed = observed;
  draft.observedAt = draft.now;
  draft.observeAskedAt = null;
  if (before === observed.role) return;
  draft.roleSince = draft.now;
  for (const [index, address] of draft.addresses.entries()) {
    const own = draft.settings.addresses[index];
    address.probe = null;
    address.verdict = null;
    address.sawServing = false;
    address.silent = 0;
    address.tookThisTerm = false;
    address.alarm = null;
    address.pollMs = draft.settings.poll.fastMs;
    address.pollAt = draft.now;
    if (own !== undefined && observed.role === "master" && isMine(own, address)) {
      draft.actions.push({ kind: "announce", address: own.id });
    }
  }
}

function absorbAnswer(
  draft: Draft,
  own: AddressSettings,
  address: AddressDraft,
  awaited: Awaited,
  event: Exclude<ControllerEvent, { kind: "observed" | "tick" }>,
): void {
  switch (event.kind) {
    case "described":
      absorbDescription(draft, own, address, awaited.since, event);
      return;
    case "associated":
      address.wrote = { at: draft.now, sure: true, replaced: address.view?.associationId ?? null };
      address.view = { holder: own.target, associationId: event.associationId, askedAt: draft.now };
      address.moves = draw(draft.settings.moves, address.moves, draft.now, 1);
      arrived(draft, own, address);
      changed(draft, address);
      return;
    case "disassociated":
      address.view = { holder: null, associationId: null, askedAt: draft.now };
      changed(draft, address);
      return;
    case "probed": {
      const lease = draft.observed?.lease ?? "none";
      const { sawServing, silent, tookThisTerm } = address;
      const judgement = judge(draft.settings, { sawServing, silent, tookThisTerm }, lease, event);
      const { kind, serving, yields } = judgement;
      address.sawServing = judgement.sawServing;
      address.silent = judgement.silent;
      // As old as its question: a host that stood still meanwhile must ask again.
      address.verdict = { kind, serving, yields, at: awaited.since };
      if (kind === "keep" && serving) {
        const found = "the host that holds it serves and does not yield, though this host is VRRP master";
        alarm(draft, own, address, `${found}: is VRRP cut between them? The address stays there`);
      }
      return;
    }
    case "failed":
      absorbFailure(draft, own, address, awaited, event);
      return;
  }
}

function absorbDescription(
  draft: Draft,
  own: AddressSettings,
  address: AddressDraft,
  askedAt: number,
  { holder, associationId }: { readonly holder: Holder | null; readonly associationId: string | null },
): void {
  const mine = isAt(own.target, holder);
  const { wrote } = address;
  // It may show the time before this host's own change, which EC2 has confirmed. An association that is
  // neither this host's nor the one before it is news.
  const old = wrote !== null && (wrote.replaced === null || wrote.replaced === associationId);
  if (wrote?.sure === true && !mine && old && askedAt < wrote.at + draft.settings.staleReadMs) {
    schedulePoll(draft, address, address.pollMs * 2);
    return;
  }
  const view: View = { holder, associationId, askedAt };
  const news = address.view === null || !samePlace(own, address.view.holder, holder);
  const came = mine && !isMine(own, address);
  const before = address.view?.associationId;
  address.view = view;
  // A probe that is under way asks somebody who is not the holder any more.
  if (news) Object.assign(address, { probe: null, verdict: null, sawServing: false, silent: 0 });
  if (mine) {
    if (came) arrived(draft, own, address);
    else if (associationId !== before) draft.actions.push({ kind: "announce", address: own.id });
    if (wrote?.sure === false) address.wrote = { ...wrote, sure: true };
    address.tookThisTerm = draft.observed?.role === "master";
  }
  succeeded(draft);
  schedulePoll(draft, address, news ? draft.settings.poll.fastMs : address.pollMs * 2);
}

function samePlace(own: AddressSettings, before: Holder | null, now: Holder | null): boolean {
  if (isAt(own.target, before) || isAt(own.target, now))
    return isAt(own.target, before) === isAt(own.target, now);
  return (
    before?.instanceId === now?.instanceId &&
    before?.networkInterfaceId === now?.networkInterfaceId &&
    before?.privateAddress === now?.privateAddress
  );
}

function arrived(draft: Draft, own: AddressSettings, address: AddressDraft): void {
  address.tookThisTerm = draft.observed?.role === "master";
  address.alarm = null;
  draft.actions.push({ kind: "announce", address: own.id });
}

function changed(draft: Draft, address: AddressDraft): void {
  address.verdict = null;
  draft.failures = 0;
  succeeded(draft);
  schedulePoll(draft, address, draft.settings.poll.fastMs);
}

/** While a change is due for any address, a description that worked does not end the row of failures. */
function succeeded(draft: Draft): void {
  const due = draft.settings.addresses.some((own, index) => {
    const address = draft.addresses[index];
    return address !== undefined && !isMine(own, address);
  });
  if (due && isWanted(draft)) return;
  draft.failures = 0;
  draft.failingSince = null;
}

/** An association of which nobody knows whether it was made, or will be yet. */
export function mayHaveMoved(draft: Draft, address: AddressDraft): void {
  address.wrote = { at: draft.now, sure: false, replaced: null };
  address.moves = draw(draft.settings.moves, address.moves, draft.now, 1);
}

function absorbFailure(
  draft: Draft,
  own: AddressSettings,
  address: AddressDraft,
  awaited: Awaited,
  { reason, message }: { readonly reason: FailureReason; readonly message: string },
): void {
  // A probe that could not be made has learned nothing; it is made again.
  if (awaited.kind === "probe") return;
  if (reason === "conflict") {
    address.view = null;
    schedulePoll(draft, address, address.pollMs * 2);
    return;
  }
  if (reason === "unknown" && awaited.kind !== "describe") {
    address.view = null;
    address.pollAt = draft.now;
    if (awaited.kind === "associate") mayHaveMoved(draft, address);
  }
  draft.failures++;
  draft.failingSince ??= awaited.since;
  const pauseUntil = draft.now + backoffMs(draft.settings, draft.failures, reason, draft.random);
  if (reason !== "denied") {
    draft.quietUntil = pauseUntil;
    return;
  }
  // One address that is refused does not hold up the others.
  if (awaited.kind === "describe") address.pollAt = pauseUntil;
  else address.deniedUntil = pauseUntil;
  alarm(draft, own, address, message);
}
