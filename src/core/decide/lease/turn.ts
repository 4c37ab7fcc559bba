import type { Rules } from "./rules.ts";
import type { GateReport, LeaseAction, LeaseSettings, LeaseState, LogEntry, Peer } from "./types.ts";

/** One call of `step`: the new state while it is made, and what is to be done. Lives no longer than the call. */
export interface Turn {
  readonly settings: LeaseSettings;
  readonly rules: Rules;
  readonly now: number;
  readonly actions: LeaseAction[];
  /** A copy of the state before, changed field by field; what its fields hold is replaced, never changed. */
  readonly state: Draft;
}

export type Draft = { -readonly [Name in keyof LeaseState]: LeaseState[Name] };

export function setPeer({ state }: Turn, peer: Peer): void {
  state.peers = state.peers.map((known) => (known.name === peer.name ? peer : known));
}

/** Asked many times in every step: nothing is allocated for it. */
export function findPeer({ peers }: LeaseState, name: string): Peer | undefined {
  for (const peer of peers) if (peer.name === name) return peer;
  return undefined;
}

export function peerOf(state: LeaseState, name: string): Peer {
  const peer = findPeer(state, name);
  if (peer === undefined) throw new Error(`${name} is no member`);
  return peer;
}

export const nextId = ({ state }: Turn): number => ++state.nextId;

export function log(turn: Turn, what: LogEntry, host: string): void {
  turn.actions.push({ kind: "log", what, host });
}

export function isDataHost({ dataHosts, self }: LeaseSettings): boolean {
  for (const name of dataHosts) if (name === self) return true;
  return false;
}

/** When this host's lease ends. Minus infinity: it never had one. */
export const leaseUntil = ({ settings, state }: Turn): number => state.leaseStart + settings.leaseMs;

/** Until when the gate may be open, were it admitted. */
export const rightUntil = (turn: Turn): number =>
  turn.rules.gateUntil(leaseUntil(turn), turn.state.lead.until);

/** No packet can pass: the close was confirmed, or the kernel's own time is over. */
export function surelyClosed({ state: { gate }, now }: Turn): boolean {
  return gate.armed && !gate.admitted && (gate.openUntil === null || now >= gate.openUntil);
}

/** PostgreSQL here is gone without a word, or leaves probes unanswered. */
export function postgresFailed({ settings, state: { postgres } }: Turn): boolean {
  return postgres.status === "crashed" || postgres.silent >= settings.hungAfter;
}

const leads = ({ settings, state: { view } }: Turn): boolean => view?.etcd.leader?.host === settings.self;

/** Whether PostgreSQL here stopped in order although this host leads: a restart, or a switchover. */
export const stoppedLeading = (turn: Turn): boolean =>
  turn.state.postgres.status === "stopped" && leads(turn);

/**
 * Whether this host leads and its PostgreSQL has failed: the others should not wait for silence. Or it was
 * stopped for a switchover: Patroni sees that up to a second later, and gives its key away only then. Not
 * before: a PostgreSQL that shuts down waits for clients whose packets a closed gate would drop.
 */
export const handsOver = (turn: Turn): boolean =>
  (postgresFailed(turn) && leads(turn)) ||
  (stoppedLeading(turn) && turn.state.view?.etcd.switchover === turn.settings.self);

export function report(turn: Turn): GateReport {
  const { settings, state } = turn;
  if (state.left) return "leaving";
  if (!isDataHost(settings)) return "closed";
  if (!state.gate.armed) return "unarmed";
  if (!surelyClosed(turn)) return "open";
  return handsOver(turn) ? "failed" : "closed";
}

/** How many members decide. */
export const majority = (turn: Turn): number =>
  turn.rules.majority(turn.settings.members.length, () => heardPeers(turn).length + 1);

export const heardPeers = ({ settings, state, now }: Turn): readonly Peer[] =>
  state.peers.filter(({ heardAt }) => heardAt !== null && now < heardAt + settings.grantMs);

/** Agents that can be heard and mean to stay, this one included. */
export const supporters = (turn: Turn): number =>
  heardPeers(turn).filter(({ gate }) => gate !== "leaving").length + 1;
