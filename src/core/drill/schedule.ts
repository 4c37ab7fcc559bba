/**
 * The open-loop schedule: request `seq` is due at `seq / rate`, whatever became of those before it.
 * Each virtual client sends one class only, at even spacing: that spacing is the sampling resolution
 * of its class on every sticky path.
 */
import type { RequestClass } from "./history.ts";

export interface Rate {
  /** Requests per second over all clients. */
  readonly perSecond: number;
  /** Clients at this rate; faster than `FRESH_LIMIT` allows, stand-ins come on top (`clientsIn`). */
  readonly clients: number;
}

/**
 * Class by client number. Two reads, one of them in three on a fresh connection, and two writes in
 * five; five is odd, so that a round-robin balancer spreads each class over two app hosts.
 */
const pattern: readonly RequestClass[] = ["read", "write", "read-fresh", "write", "read"];

/**
 * Fresh connections per second, at most. A TLS handshake costs the generator some 0.7 ms and the service
 * about as much, a kept-alive request a tenth of that: a fifth of 5,000/s would measure handshakes only.
 */
export const FRESH_LIMIT = 100;

/** A fresh client sends in one of so many rounds; in the others a stand-in reads in its place. */
const freshRounds = ({ perSecond }: Rate): number =>
  Math.max(1, Math.ceil(perSecond / pattern.length / FRESH_LIMIT));

/** How many virtual clients there are, stand-ins included. */
export const clientsIn = (rate: Rate): number => (freshRounds(rate) === 1 ? rate.clients : 2 * rate.clients);

export const classOf = (client: number, rate: Rate): RequestClass =>
  client >= rate.clients ? "read" : (pattern[client % pattern.length] ?? "read");

export function clientOf(seq: number, rate: Rate): number {
  const client = seq % rate.clients;
  const rounds = freshRounds(rate);
  if (rounds === 1 || classOf(client, rate) !== "read-fresh") return client;
  return Math.floor(seq / rate.clients) % rounds === 0 ? client : rate.clients + client;
}

/** Milliseconds since the start of the load. */
export const intendedAt = (seq: number, rate: Rate): number => (seq * 1000) / rate.perSecond;

/** Milliseconds between two requests of one client of the class: how finely it sees an outage. */
export function spacingMs(rate: Rate, requestClass: RequestClass = "read"): number {
  const round = (rate.clients * 1000) / rate.perSecond;
  return requestClass === "read-fresh" ? round * freshRounds(rate) : round;
}
