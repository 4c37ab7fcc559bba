/**
 * The open-loop schedule: request `seq` is due at `seq / rate`, whatever became of those before it.
 * Each virtual client sends one class only, so that its spacing (`clients / rate`) is the sampling
 * resolution of every class on every sticky path.
 */
import type { RequestClass } from "./history.ts";

export interface Rate {
  /** Requests per second over all clients. */
  readonly perSecond: number;
  readonly clients: number;
}

/**
 * Class by client number. Two reads, one of them in three on a fresh connection, and two writes in
 * five; five is odd, so that a round-robin balancer spreads each class over two app hosts.
 */
const pattern: readonly RequestClass[] = ["read", "write", "read-fresh", "write", "read"];

export const classOf = (client: number): RequestClass => pattern[client % pattern.length] ?? "read";

export const clientOf = (seq: number, rate: Rate): number => seq % rate.clients;

/** Milliseconds since the start of the load. */
export const intendedAt = (seq: number, rate: Rate): number => (seq * 1000) / rate.perSecond;

/** Milliseconds between two requests of one client: how finely an outage can be seen. */
export const spacingMs = (rate: Rate): number => (rate.clients * 1000) / rate.perSecond;
