/** Heartbeats, acknowledgements and the vote on who is dead. */
import { gateLost } from "./gate.ts";
import type { LeaseSettings, Message, Peer } from "./types.ts";
import { findPeer, leaseUntil, log, majority, nextId, peerOf, report, setPeer, type Turn } from "./turn.ts";

type Kind<Name extends Message["kind"]> = Extract<Message, { readonly kind: Name }>;

export function receive(turn: Turn, message: Message): void {
  if (findPeer(turn.state, message.from) === undefined) return;
  switch (message.kind) {
    case "heartbeat":
      return heartbeat(turn, message);
    case "ack":
      return ack(turn, message);
    case "question":
      return question(turn, message);
    case "answer":
      return answer(turn, message);
  }
}

function heartbeat(turn: Turn, message: Kind<"heartbeat">): void {
  const { settings, rules, now } = turn;
  const { from, incarnation, sequence, gate, revision } = message;
  const known = peerOf(turn.state, from);
  if (known.incarnation === incarnation && sequence <= known.sequence) return;
  const closedSince = gate === "closed" ? (known.closedSince ?? now) : null;
  const heard: Peer = {
    ...known,
    heardAt: now,
    incarnation,
    sequence,
    gate,
    revision,
    closedSince,
    round: null,
  };
  const granted = rules.mayGrant(settings, turn.state, heard, now);
  if (granted) grant(turn, heard);
  else setPeer(turn, heard);
  const verdict = granted ? "granted" : heard.deadBy === null ? "refused" : "dead";
  turn.actions.push({
    kind: "send",
    to: from,
    message: { kind: "ack", from: settings.self, incarnation, sequence, verdict },
  });
}

function grant(turn: Turn, peer: Peer): void {
  if (peer.deadBy !== null) log(turn, "readmitted", peer.name);
  if (peer.blocked !== false) turn.actions.push({ kind: "unblock", host: peer.name });
  setPeer(turn, { ...peer, grantedAt: turn.now, promisedUntil: null, deadBy: null, blocked: false });
}

function ack(turn: Turn, { from, incarnation, sequence, verdict }: Kind<"ack">): void {
  if (incarnation !== turn.state.incarnation) return;
  const sentAt = turn.state.sent.find((sent) => sent.sequence === sequence)?.at;
  if (sentAt === undefined) return;
  if (verdict === "dead") return gateLost(turn);
  if (verdict === "refused") return;
  const start = turn.rules.leaseStart(sentAt, turn.now);
  const peer = peerOf(turn.state, from);
  if (peer.ackedAt !== null && start <= peer.ackedAt) return;
  setPeer(turn, { ...peer, ackedAt: start });
  extendLease(turn);
}

/** The lease starts where as many as, with this host, make a majority had granted what was sent then. */
function extendLease(turn: Turn): void {
  const { peers } = turn.state;
  const needed = Math.max(1, majority(turn) - 1);
  for (const { ackedAt } of peers) {
    if (ackedAt === null || ackedAt <= turn.state.leaseStart) continue;
    let granted = 0;
    for (const other of peers) if (other.ackedAt !== null && other.ackedAt >= ackedAt) granted++;
    if (granted >= needed) turn.state.leaseStart = ackedAt;
  }
}

function question(turn: Turn, { from, about, incarnation, round }: Kind<"question">): void {
  const { self, members } = turn.settings;
  if (about === self || !members.includes(about)) return;
  const yes = vote(turn, about);
  turn.actions.push({
    kind: "send",
    to: from,
    message: { kind: "answer", from: self, about, incarnation, round, yes },
  });
}

/** A yes binds: no acknowledgement for that host, and nothing it sends reaches PostgreSQL here. */
function vote(turn: Turn, about: string): boolean {
  const { settings, rules, state, now } = turn;
  const peer = peerOf(state, about);
  if (!rules.mayVote(settings, state, peer, now)) return false;
  setPeer(turn, { ...peer, promisedUntil: now + settings.promiseMs });
  return true;
}

function answer(turn: Turn, { from, about, incarnation, round, yes }: Kind<"answer">): void {
  const { settings, state, now } = turn;
  const peer = findPeer(state, about);
  const running = peer?.round;
  if (peer === undefined || !yes || incarnation !== state.incarnation || running?.number !== round) return;
  if (now >= running.askedAt + settings.promiseMs || running.yes.includes(from)) return;
  const voters = [...running.yes, from];
  if (voters.length < majority(turn)) {
    setPeer(turn, { ...peer, round: { ...running, yes: voters } });
    return;
  }
  if (peer.deadBy === null) log(turn, "dead", about);
  setPeer(turn, { ...peer, round: null, deadBy: running.askedAt });
}

/** Sends what is due, asks about who is silent, and keeps the routes as the verdicts are. */
export function keepContact(turn: Turn): void {
  const { settings, now } = turn;
  if (turn.state.sentAt === null || now >= turn.state.sentAt + settings.heartbeatMs) sendHeartbeats(turn);
  for (const peer of turn.state.peers) {
    if (silent(settings, peer, now)) ask(turn, peer);
    block(turn, peerOf(turn.state, peer.name));
  }
  const lonely = leaseUntil(turn) <= now;
  if (lonely !== (turn.state.lonelySince !== null)) turn.state.lonelySince = lonely ? now : null;
}

function sendHeartbeats(turn: Turn): void {
  const { settings, state, now } = turn;
  const { self } = settings;
  const sequence = ++state.sequence;
  state.sentAt = now;
  state.sent = [...state.sent.filter(({ at }) => now < at + settings.leaseMs), { sequence, at: now }];
  // While a write to our record is under way we cannot know which record our gate's report is about.
  const revision =
    state.writing?.host === self || state.view === null
      ? null
      : (state.view.etcd.records[self]?.revision ?? "0");
  const message: Message = {
    kind: "heartbeat",
    from: self,
    incarnation: state.incarnation,
    sequence,
    gate: report(turn),
    revision,
  };
  for (const { name: to } of turn.state.peers) turn.actions.push({ kind: "send", to, message });
}

function silent(settings: LeaseSettings, { heardAt }: Peer, now: number): boolean {
  return heardAt === null || now >= heardAt + settings.grantMs;
}

/**
 * Asks the others about a host that went silent; again every second heartbeat until it is dead, and again
 * when it is dead but leads by a record that was read only after the question.
 */
function ask(turn: Turn, peer: Peer): void {
  const { settings, now } = turn;
  const { name: about } = peer;
  if (saidPlain(turn, peer)) return;
  if (peer.round !== null && now < peer.round.askedAt + 2 * settings.heartbeatMs) return;
  if (peer.deadBy !== null && !leadsByNewerRecord(turn, about, peer.deadBy)) return;
  if (!vote(turn, about)) return;
  if (peer.round === null && peer.deadBy === null) log(turn, "silent", about);
  const round = nextId(turn);
  const { self } = settings;
  setPeer(turn, {
    ...peerOf(turn.state, about),
    round: { number: round, askedAt: now, yes: [self] },
  });
  const { incarnation } = turn.state;
  for (const { name: to } of turn.state.peers) {
    if (to === about) continue;
    turn.actions.push({
      kind: "send",
      to,
      message: { kind: "question", from: self, about, incarnation, round },
    });
  }
}

/** One that died right after it had armed said so in its record, and in no heartbeat. */
function saidPlain({ state: { view } }: Turn, { name, gate }: Peer): boolean {
  const record = view?.etcd.records[name]?.state ?? "unarmed";
  return gate === "leaving" || (gate === "unarmed" && record === "unarmed");
}

function leadsByNewerRecord({ rules, state: { view } }: Turn, host: string, deadBy: number): boolean {
  if (view === null || view.endedAt <= deadBy || view.etcd.leader?.host !== host) return false;
  const record = view.etcd.records[host];
  if (record === undefined || record.state === "unarmed") return false;
  return rules.revocable(view.etcd) === null;
}

/** A dead host is cut off from this one's PostgreSQL and etcd; one under plain Patroni never. */
function block(turn: Turn, peer: Peer): void {
  const { state, now } = turn;
  const { name, gate, promisedUntil, deadBy, blocked } = peer;
  const cut = deadBy !== null || (promisedUntil !== null && now < promisedUntil);
  if (!cut && blocked !== true) return;
  const plain =
    gate === "unarmed" || gate === "leaving" || state.view?.etcd.records[name]?.state === "unarmed";
  if (cut && !plain && blocked !== true) {
    turn.actions.push({ kind: "block", host: name });
    setPeer(turn, { ...peer, blocked: true });
  } else if (plain && blocked === true) {
    turn.actions.push({ kind: "unblock", host: name });
    setPeer(turn, { ...peer, blocked: false });
  }
}
