/**
 * The PostgreSQL failover accelerator of one host: Patroni decides who is primary; this makes it know sooner,
 * and makes sure that whoever is no longer primary serves nobody. See docs/database-failover.md.
 */
import { keepRecords, readEnded, writeEnded } from "./etcd.ts";
import { failsafe, gateDone, keepGate, postgresEvent, settle } from "./gate.ts";
import { keepContact, receive } from "./peers.ts";
import { rules as safeRules, type Rules } from "./rules.ts";
import { heardPeers, majority, supporters, type Turn } from "./turn.ts";
import type { LeaseEvent, LeaseSettings, LeaseState, LeaseStep, Peer } from "./types.ts";

const unknownPeer: Omit<Peer, "name"> = {
  heardAt: null,
  incarnation: null,
  sequence: -1,
  gate: "unarmed",
  revision: null,
  closedSince: null,
  grantedAt: null,
  promisedUntil: null,
  ackedAt: null,
  round: null,
  deadBy: null,
  blocked: null,
};

/**
 * @param incarnation of this process: never used before
 * @param armed whether the gate's table is in the kernel, or the marker on disk says that it should be
 * @param now ms of a clock that never goes back
 */
export function startLease(
  settings: LeaseSettings,
  incarnation: string,
  armed: boolean,
  now: number,
): LeaseState {
  return {
    incarnation,
    startedAt: now,
    nextId: 0,
    sequence: 0,
    sentAt: null,
    sent: [],
    peers: settings.members
      .filter((name) => name !== settings.self)
      .map((name) => ({ name, ...unknownPeer })),
    leaseStart: -Infinity,
    gate: {
      armed,
      // A predecessor may have opened it a moment ago.
      openUntil: armed ? now + settings.leaseMs : null,
      pending: null,
      fencedAt: now,
      admitted: false,
    },
    postgres: { status: "unknown", upstream: null, begunAt: -Infinity, silent: 0 },
    lead: { until: -Infinity, at: -Infinity, lostAt: -Infinity },
    lonelySince: now,
    view: null,
    reading: null,
    writing: null,
    revoked: null,
    leavingSince: null,
    left: false,
  };
}

/** One event. Pure: the same state, event and time always give the same step. */
export function step(
  settings: LeaseSettings,
  state: LeaseState,
  event: LeaseEvent,
  now: number,
  rules: Rules = safeRules,
): LeaseStep {
  const turn: Turn = { settings, rules, now, actions: [], state: { ...state } };
  settle(turn);
  perceive(turn, event);
  keepRecords(turn);
  keepGate(turn);
  keepContact(turn);
  keepLeaving(turn);
  return { state: turn.state, actions: turn.actions };
}

function perceive(turn: Turn, event: LeaseEvent): void {
  switch (event.kind) {
    case "tick":
      return;
    case "message":
      return receive(turn, event.message);
    case "postgres":
      return postgresEvent(turn, event);
    case "failsafe":
      return failsafe(turn, event.begunAt);
    case "read":
      return readEnded(turn, event);
    case "written":
      return writeEnded(turn, event.id, event.revision);
    case "gate-done":
      return gateDone(turn, event.id);
    case "leave":
      turn.state.leavingSince ??= turn.now;
  }
}

/** Ends when this host is plain Patroni's and no other gate needs its acknowledgements; or when time is up. */
function keepLeaving(turn: Turn): void {
  const { settings, now } = turn;
  const { leavingSince, gate } = turn.state;
  if (leavingSince === null) return;
  if (!gate.armed && !turn.state.left) turn.state.left = true;
  const needed = heardPeers(turn).some(
    (peer) => settings.dataHosts.includes(peer.name) && !["unarmed", "leaving"].includes(peer.gate),
  );
  const staying = supporters(turn) - 1;
  const spared = !needed || staying >= majority(turn);
  // By then everybody has read this host's record.
  const known = now >= leavingSince + 2 * settings.readMs;
  const late = now >= leavingSince + settings.leaveMs;
  if (late || (turn.state.left && known && spared)) turn.actions.push({ kind: "left" });
}
