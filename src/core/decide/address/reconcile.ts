import { mayHaveMoved } from "./absorb.ts";
import { alarm, type AddressDraft, type Draft, isMine, isWanted, slowestPollMs, wakeBy } from "./draft.ts";
import { availableAt, draw } from "./limits.ts";
import type { AddressSettings, Awaited } from "./types.ts";

/** How long an answer may be overdue before it is given up: whoever owes it has a deadline of its own. */
const GRACE_MS = 1000;

/** Compares where the addresses should be with where they are, and asks for what is missing. */
export function reconcile(draft: Draft): void {
  const wanted = isWanted(draft);
  for (const [index, address] of draft.addresses.entries()) {
    const own = draft.settings.addresses[index];
    if (own === undefined) continue;
    giveUpOverdue(draft, address);
    if (wanted && !isMine(own, address)) pursue(draft, own, address);
    poll(draft, own, address);
  }
  judgeFitness(draft, wanted);
  lookAgain(draft);
  const stateFile = draft.observed?.role === "master" ? "MASTER" : "BACKUP";
  if (draft.observed !== null && draft.stateFile !== stateFile) {
    draft.stateFile = stateFile;
    draft.actions.push({ kind: "write-state-file", state: stateFile });
  }
}

function giveUpOverdue(draft: Draft, address: AddressDraft): void {
  const { callMs, probes } = draft.settings;
  if (address.probe !== null) {
    const end = address.probe.since + probes.timeoutMs + GRACE_MS;
    if (draft.now >= end) address.probe = null;
    else wakeBy(draft, end);
  }
  if (address.api === null) return;
  const end = address.api.since + callMs + GRACE_MS;
  if (draft.now < end) {
    wakeBy(draft, end);
    return;
  }
  if (address.api.kind !== "describe") address.view = null;
  if (address.api.kind === "associate") mayHaveMoved(draft, address);
  address.api = null;
}

/** This host should have the address and does not, as far as it knows. */
function pursue(draft: Draft, own: AddressSettings, address: AddressDraft): void {
  const { settings, now } = draft;
  if (address.api !== null && address.api.kind !== "describe") return;
  if (!mayTake(draft, own, address)) return;
  const earliest = Math.max(
    draft.roleSince + settings.blipMs,
    draft.quietUntil,
    address.deniedUntil,
    availableAt(settings.calls, draft.calls, now, 1),
  );
  const damped = availableAt(settings.moves, address.moves, now, 1);
  if (damped > now)
    alarm(draft, own, address, "it has moved too often: it stays where it is for some seconds");
  if (Math.max(earliest, damped) > now) {
    wakeBy(draft, Math.max(earliest, damped));
    return;
  }
  if (now - draft.observedAt > settings.roleFreshMs) observe(draft);
  else take(draft, own, address);
}

/** Whether the holder, if there is one, may lose the address now; probes it where that is not known. */
function mayTake(draft: Draft, own: AddressSettings, address: AddressDraft): boolean {
  const { settings, now } = draft;
  const { view, verdict } = address;
  // Nobody's, or on another interface of this host.
  if (view !== null && (view.holder === null || view.holder.instanceId === own.target.instanceId))
    return true;
  const fresh = verdict !== null && now - verdict.at <= settings.roleFreshMs;
  if (verdict?.kind === "take" && fresh) {
    if (!verdict.serving) return true;
    // It serves and yields, so there is time to make sure that it is still the holder.
    const recent = view !== null && now - view.askedAt <= settings.callMs + settings.roleFreshMs;
    if (recent && view.askedAt >= draft.roleSince) return true;
    address.pollAt = Math.min(address.pollAt, now);
    wakeBy(draft, verdict.at + settings.roleFreshMs + 1);
    return false;
  }
  // A silent holder is asked again at once.
  const pause = verdict?.kind === "keep" ? settings.probes.intervalMs : 0;
  const next = verdict === null ? now : verdict.at + pause;
  if (address.probe !== null) return false;
  if (next > now) wakeBy(draft, next);
  else probe(draft, own, address);
  return false;
}

function probe(draft: Draft, own: AddressSettings, address: AddressDraft): void {
  const { settings, now } = draft;
  const first = address.verdict === null && address.view?.holder?.instanceId !== undefined;
  const askInstance =
    first && now >= draft.quietUntil && availableAt(settings.calls, draft.calls, now, 2) <= now;
  if (askInstance) draft.calls = draw(settings.calls, draft.calls, now, 1);
  address.probe = { call: draft.nextCall, kind: "probe", since: now };
  wakeBy(draft, now + settings.probes.timeoutMs + GRACE_MS);
  const call = nextCall(draft, own, settings.probes.timeoutMs);
  draft.actions.push({ kind: "probe", ...call, holder: address.view?.holder ?? null, askInstance });
}

/**
 * One call where one is enough, since each round trip is outage. By compare-and-set where this host had
 * the address in this term and it went to somebody who does not yield: no two hosts can then take it from
 * each other in turn without having seen what the other did.
 */
function take(draft: Draft, own: AddressSettings, address: AddressDraft): void {
  const associationId = address.view?.associationId ?? null;
  const contended = address.tookThisTerm && address.verdict?.yields !== true;
  const mustRemove = !own.canReassociate || contended;
  if (associationId !== null && mustRemove) {
    const call = begin(draft, own, address, "disassociate");
    draft.actions.push({ kind: "disassociate", ...call, associationId });
    return;
  }
  const nobodys = address.view !== null && address.view.holder === null;
  const call = begin(draft, own, address, "associate");
  const allowReassociation = own.canReassociate && !nobodys;
  draft.actions.push({ kind: "associate", ...call, target: own.target, allowReassociation });
}

function poll(draft: Draft, own: AddressSettings, address: AddressDraft): void {
  const { settings, now } = draft;
  if (address.api !== null) return;
  const { reserve } = settings.calls;
  const enough = availableAt(settings.calls, draft.calls, now, 1 + reserve);
  const due = Math.max(address.pollAt, draft.quietUntil, enough);
  if (due > now) {
    wakeBy(draft, due);
    return;
  }
  draft.actions.push({ kind: "describe", ...begin(draft, own, address, "describe") });
  // A role change that nobody told (keepalived killed, a notification lost) is found at this pace too.
  observe(draft);
}

/** With the next description at the latest; by itself when the API's limits hold that up. */
function lookAgain(draft: Draft): void {
  const due = draft.lookedAt + 1.5 * slowestPollMs(draft);
  if (draft.now >= due) observe(draft);
  else wakeBy(draft, due);
}

function observe(draft: Draft): void {
  if (draft.observeAskedAt !== null && draft.now - draft.observeAskedAt < GRACE_MS) {
    wakeBy(draft, draft.observeAskedAt + GRACE_MS);
    return;
  }
  draft.observeAskedAt = draft.now;
  draft.lookedAt = draft.now;
  draft.actions.push({ kind: "observe" });
  wakeBy(draft, draft.now + GRACE_MS);
}

function begin(
  draft: Draft,
  own: AddressSettings,
  address: AddressDraft,
  kind: Exclude<Awaited["kind"], "probe">,
): ReturnType<typeof nextCall> {
  draft.calls = draw(draft.settings.calls, draft.calls, draft.now, 1);
  address.api = { call: draft.nextCall, kind, since: draft.now };
  wakeBy(draft, draft.now + draft.settings.callMs + GRACE_MS);
  return nextCall(draft, own, draft.settings.callMs);
}

function nextCall(
  draft: Draft,
  own: AddressSettings,
  timeoutMs: number,
): { readonly call: number; readonly address: string; readonly startBy: number; readonly timeoutMs: number } {
  return {
    call: draft.nextCall++,
    address: own.id,
    startBy: draft.now + draft.settings.roleFreshMs,
    timeoutMs,
  };
}

/**
 * A master that should take an address nobody serves and cannot (no way to the API, no permission)
 * keeps others from trying: it gives up being master until its calls work again.
 */
function judgeFitness(draft: Draft, wanted: boolean): void {
  const { settings, now, failingSince } = draft;
  let fit = draft.fit ?? true;
  if (fit && wanted && failingSince !== null) {
    const stuck = draft.addresses.some(({ view, verdict }, index) => {
      const own = settings.addresses[index];
      if (own === undefined || isMine(own, { view })) return false;
      return (view !== null && view.holder === null) || (verdict?.kind === "take" && !verdict.serving);
    });
    if (stuck && now - failingSince >= settings.unfitMs) fit = false;
    else wakeBy(draft, Math.max(failingSince + settings.unfitMs, now + settings.probes.intervalMs));
  } else if (!fit && failingSince === null) {
    const deniedUntil = Math.max(...draft.addresses.map((address) => address.deniedUntil));
    if (deniedUntil <= now) fit = true;
    else wakeBy(draft, deniedUntil);
  }
  if (fit === draft.fit) return;
  draft.fit = fit;
  const why = fit ? "calls to the API work" : "it cannot take the address: its calls to the API fail";
  draft.actions.push({ kind: "set-fit", fit, why });
}
