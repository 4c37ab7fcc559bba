/** This host's own gate: when it is lost, kept open, loaded and removed. */
import type { LeaseEvent } from "./types.ts";
import {
  handsOver,
  isDataHost,
  leaseUntil,
  log,
  majority,
  nextId,
  postgresFailed,
  rightUntil,
  supporters,
  surelyClosed,
  type Turn,
} from "./turn.ts";

/**
 * First of all in every step, by what was known before its event: without a right to be open the gate is
 * lost, and nothing learned earlier can open it again, however late this agent gets to know.
 */
export function settle(turn: Turn): void {
  const { settings, now } = turn;
  if (!isDataHost(settings)) return;
  const { gate } = turn.state;
  if (gate.admitted && rightUntil(turn) <= now) gateLost(turn);
  // A record written before may have been fenced meanwhile.
  if (leaseUntil(turn) <= now) turn.state.gate = { ...turn.state.gate, fencedAt: now };
}

export function gateLost(turn: Turn): void {
  const { gate } = turn.state;
  if (gate.admitted) {
    log(turn, "gate-closed", turn.settings.self);
    act(turn, "closed");
  }
  turn.state.gate = { ...turn.state.gate, admitted: false, fencedAt: turn.now };
}

export function admit(turn: Turn): void {
  log(turn, "gate-open", turn.settings.self);
  turn.state.gate = { ...turn.state.gate, admitted: true };
}

/** Patroni goes on by itself here; only after the record says so, for then nobody fences this host. */
export function removeGate(turn: Turn): void {
  turn.state.gate = { ...turn.state.gate, admitted: false };
  act(turn, "absent");
}

function act(turn: Turn, gate: "open" | "closed" | "absent"): void {
  const id = nextId(turn);
  const { now, state } = turn;
  let { openUntil } = state.gate;
  if (gate === "open") {
    const until = rightUntil(turn);
    openUntil = Math.max(openUntil ?? until, until);
    turn.actions.push({ kind: "gate", id, gate, until });
  } else if (gate === "closed") {
    turn.actions.push({ kind: "gate", id, gate, handsOver: handsOver(turn) });
  } else {
    turn.actions.push({ kind: "gate", id, gate });
  }
  turn.state.gate = { ...state.gate, armed: true, openUntil, pending: { id, gate, at: now } };
}

export function gateDone(turn: Turn, id: number): void {
  const { gate } = turn.state;
  if (gate.pending?.id !== id) return;
  const done = gate.pending.gate;
  if (done === "absent") log(turn, "unarmed", turn.settings.self);
  turn.state.gate = {
    ...gate,
    pending: null,
    armed: done !== "absent",
    openUntil: done === "open" ? gate.openUntil : null,
  };
}

type PostgresEvent = Extract<LeaseEvent, { readonly kind: "postgres" }>;

export function postgresEvent(turn: Turn, event: PostgresEvent): void {
  const { settings, state } = turn;
  const { postgres } = state;
  if (event.begunAt < postgres.begunAt) return;
  const failedBefore = handsOver(turn);
  turn.state.postgres = { ...postgres, ...observed(event, postgres.silent) };
  if (event.status === "replica" && event.upstream !== null) {
    // Whoever is promoted after this has a key with a whole ttl before it.
    provesLead(turn, event.begunAt, event.begunAt + settings.ttlMs - settings.marginMs);
  }
  if (!failedBefore && postgresFailed(turn) && handsOver(turn)) log(turn, "postgres-failed", settings.self);
}

function observed(
  { status, begunAt, upstream }: PostgresEvent,
  silent: number,
): Partial<Turn["state"]["postgres"]> {
  if (status === "silent") return { silent: silent + 1 };
  if (status === "busy") return { silent: 0 };
  return { status, upstream, begunAt, silent: 0 };
}

export function failsafe(turn: Turn, begunAt: number): void {
  if (turn.state.postgres.status === "primary") {
    provesLead(turn, begunAt, begunAt + turn.settings.failsafeMs);
  }
}

/** Evidence from before something that spoke against it proves nothing. */
export function provesLead(turn: Turn, begunAt: number, until: number): void {
  const { lead } = turn.state;
  if (begunAt <= lead.lostAt) return;
  turn.state.lead = { ...lead, at: Math.max(lead.at, begunAt), until: Math.max(lead.until, until) };
}

/**
 * The key itself says how long it lives: shorter than was known, when Patroni does not renew it or this
 * machine's clock stood still.
 */
export function keyLives(turn: Turn, begunAt: number, until: number): void {
  const { lead } = turn.state;
  if (begunAt < lead.at) provesLead(turn, begunAt, until);
  else turn.state.lead = { ...lead, at: begunAt, until };
}

/** A primary that does not lead: whatever proved that it does must be newer than this. */
export function disprovesLead(turn: Turn, begunAt: number): void {
  const { lead } = turn.state;
  if (begunAt < lead.at) return;
  turn.state.lead = { until: -Infinity, at: begunAt, lostAt: begunAt };
  if (turn.state.gate.admitted) gateLost(turn);
}

/** Last in every step: makes the kernel's gate what it should be. */
export function keepGate(turn: Turn): void {
  const { settings, rules, now } = turn;
  if (!isDataHost(settings)) return;
  if (turn.state.gate.admitted && handsOver(turn)) gateLost(turn);
  const { gate, view, leavingSince } = turn.state;
  const busy = gate.pending !== null && now < gate.pending.at + settings.requestMs;
  if (gate.pending?.gate === "absent") {
    if (!busy) act(turn, "absent");
  } else if (gate.admitted) {
    const gained = rightUntil(turn) - (gate.openUntil ?? -Infinity);
    if (!busy && gained >= settings.heartbeatMs / 2) act(turn, "open");
  } else if (gate.armed) {
    if (!busy && gate.openUntil !== null && !surelyClosed(turn)) act(turn, "closed");
  } else if (view !== null) {
    const record = view.etcd.records[settings.self];
    if (record !== undefined && record.state !== "unarmed") {
      // Others take this host's gate for granted, and may have fenced it: it must be there before all else.
      act(turn, "closed");
    } else if (
      leavingSince === null &&
      !handsOver(turn) &&
      // Read from etcd: a stale primary's Patroni may believe in its failsafe.
      rules.mayServe(settings, turn.state, now - 2 * settings.readMs) &&
      supporters(turn) >= majority(turn) &&
      rightUntil(turn) > now + settings.leaseMs / 4
    ) {
      turn.state.gate = { ...gate, admitted: true };
      log(turn, "armed", settings.self);
      act(turn, "open");
    }
  }
}
