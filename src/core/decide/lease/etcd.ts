/** What is read from and written to etcd: this host's gate record, the fence of a dead leader, its lease's end. */
import { admit, disprovesLead, gateLost, keyLives, removeGate } from "./gate.ts";
import type { Viewed } from "./rules.ts";
import type { GateRecord, LeaseEvent } from "./types.ts";
import {
  findPeer,
  handsOver,
  isDataHost,
  leaseUntil,
  log,
  nextId,
  majority,
  rightUntil,
  stoppedLeading,
  supporters,
  surelyClosed,
  type Turn,
} from "./turn.ts";

/** Reads that something waits for come this often, in heartbeats. */
const pressingHeartbeats = 2;

export function readEnded(turn: Turn, event: Extract<LeaseEvent, { readonly kind: "read" }>): void {
  const { reading } = turn.state;
  if (reading?.id !== event.id || !reading.running) return;
  turn.state.reading = { ...reading, running: false };
  if (event.view === null) return;
  const { settings, now } = turn;
  const { leader } = event.view;
  const before = turn.state.view;
  const same = before !== null && before.etcd.leader?.lease === leader?.lease;
  turn.state.view = {
    begunAt: event.begunAt,
    endedAt: now,
    leaderSince: same ? before.leaderSince : now,
    etcd: event.view,
  };
  if (leader?.host === settings.self) {
    keyLives(turn, event.begunAt, event.begunAt + leader.ttlMs - settings.marginMs);
    // Fenced while a clock stood still.
    if (turn.rules.revocable(event.view) !== null) gateLost(turn);
  } else if (turn.state.postgres.status === "primary") {
    disprovesLead(turn, event.begunAt);
  }
}

export function writeEnded(turn: Turn, id: number, revision: string | null): void {
  const { settings, state, now } = turn;
  const { writing, view } = state;
  if (writing === null || writing.id !== id) return;
  turn.state.writing = null;
  if (revision === null || view === null) {
    // Refused, or nobody knows: look again.
    turn.state.view = null;
    return;
  }
  const { host, record } = writing;
  const records = { ...view.etcd.records, [host]: { ...record, revision } };
  turn.state.view = { ...view, etcd: { ...view.etcd, records } };
  if (record.state === "fenced") log(turn, "fenced", host);
  if (host !== settings.self) return;
  if (record.state === "unarmed") return removeGate(turn);
  const { gate } = turn.state;
  const current = writing.at >= gate.fencedAt && turn.rules.mayServe(settings, turn.state, gate.fencedAt);
  if (record.state === "open" && !gate.admitted && current && rightUntil(turn) > now) admit(turn);
}

/** Everything that is due, by level: what etcd shows against what should be there. */
export function keepRecords(turn: Turn): void {
  const { settings, now } = turn;
  const { writing } = turn.state;
  if (writing !== null && now >= writing.at + settings.requestMs) {
    turn.state.writing = null;
    turn.state.view = null;
  }
  revoke(turn);
  if (turn.state.writing === null) fenceLeader(turn);
  if (turn.state.writing === null && isDataHost(settings)) keepOwnRecord(turn);
  readWhenDue(turn);
}

function write(turn: Turn, host: string, record: GateRecord, leaderLease: string | null): void {
  const revision = turn.state.view?.etcd.records[host]?.revision ?? "0";
  const id = nextId(turn);
  turn.state.writing = { id, at: turn.now, host, record };
  turn.actions.push({ kind: "write-record", id, host, record, revision, leaderLease });
}

/** Any host, at any time, again and again: a fenced lease serves nobody. */
function revoke(turn: Turn): void {
  const { settings, rules, state, now } = turn;
  if (state.view === null) return;
  const lease = rules.revocable(state.view.etcd);
  if (lease === null) return;
  if (state.revoked?.lease === lease && now < state.revoked.at + settings.requestMs) return;
  turn.state.revoked = { lease, at: now };
  turn.actions.push({ kind: "revoke", lease });
  log(turn, "revoked", state.view.etcd.leader?.host ?? settings.self);
}

function fenceLeader(turn: Turn): void {
  const { view } = turn.state;
  const leader = view?.etcd.leader ?? null;
  if (view === null || leader === null || !mayFence(turn, view, leader.host)) return;
  // Only one that has a gate, and once.
  const record = view.etcd.records[leader.host];
  if (record === undefined || record.state === "unarmed" || turn.rules.revocable(view.etcd) !== null) return;
  write(turn, leader.host, { state: "fenced", lease: leader.lease }, leader.lease);
}

function mayFence(turn: Turn, view: Viewed, leader: string): boolean {
  const { settings, rules, state, now } = turn;
  if (leader === settings.self) return handsOver(turn) && surelyClosed(turn);
  const peer = findPeer(state, leader);
  return peer !== undefined && rules.mayFence(settings, view, leader, peer, now);
}

function keepOwnRecord(turn: Turn): void {
  const { settings, state, now } = turn;
  const { gate, view } = state;
  if (!gate.armed || gate.pending?.gate === "absent" || view === null) return;
  const { leader, records } = view.etcd;
  const lease = leader?.host === settings.self ? leader.lease : null;
  const record = records[settings.self];
  if (goesPlain(turn)) {
    write(turn, settings.self, { state: "unarmed", lease }, lease);
  } else if (gate.admitted) {
    // Only when the kernel has the gate may others count on it.
    const unknown = record === undefined || record.state === "unarmed";
    if (unknown && gate.pending === null) write(turn, settings.self, { state: "open", lease }, lease);
  } else if (leaseUntil(turn) > now && state.leavingSince === null && !handsOver(turn)) {
    if (turn.rules.mayServe(settings, state, gate.fencedAt)) {
      write(turn, settings.self, { state: "open", lease }, lease);
    }
  }
}

/** Whether this host should, and may, go back to plain Patroni: no majority of agents is left or will be. */
function goesPlain(turn: Turn): boolean {
  const { settings, rules, state, now } = turn;
  const { gate, lonelySince, leavingSince } = state;
  const leaving =
    leavingSince !== null ||
    (state.peers.some((peer) => peer.gate === "leaving") && supporters(turn) < majority(turn));
  const abandoned = lonelySince !== null && now >= lonelySince + settings.releaseMs;
  const neverCounted = !gate.admitted && state.view?.etcd.records[settings.self]?.state === "unarmed";
  if (!leaving && !abandoned && !neverCounted) return false;
  return gate.admitted || rules.mayServe(settings, state, now - 2 * settings.readMs);
}

function readWhenDue(turn: Turn): void {
  const { settings, state, now } = turn;
  const { reading, writing } = state;
  if (writing !== null) return;
  if (reading !== null) {
    const { at, running } = reading;
    if (now < at + (running ? settings.requestMs : pressingHeartbeats * settings.heartbeatMs)) return;
    if (!running && now < at + settings.readMs && !presses(turn)) return;
  }
  const id = nextId(turn);
  turn.state.reading = { id, at: now, running: true };
  turn.actions.push({ kind: "read", id });
}

function presses(turn: Turn): boolean {
  const { settings, rules, state } = turn;
  const { view, gate } = state;
  if (view === null || rules.revocable(view.etcd) !== null) return true;
  if (isDataHost(settings) && gate.armed && !gate.admitted && leaseUntil(turn) > turn.now) return true;
  // Was it asked to?
  if (stoppedLeading(turn)) return true;
  const leader = view.etcd.leader?.host;
  const peer = leader === undefined ? undefined : findPeer(state, leader);
  if (peer === undefined) return false;
  return peer.deadBy !== null || peer.gate === "failed" || peer.round !== null;
}
