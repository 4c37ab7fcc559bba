/** One event of the audit trail: who did what to which object. */
import { randomUUID } from "node:crypto";
import { HttpError, textField } from "./router.ts";

export interface TrailEvent {
  /** Unique: the trail may get an event more than once, and readers keep one. */
  readonly id: string;
  /** When it happened, ISO 8601 in UTC. */
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly object: string;
}

export function newEvent(actor: string, action: string, object: string): TrailEvent {
  return { id: randomUUID(), at: new Date().toISOString(), actor, action, object };
}

/** @throws HttpError 400 when the body is no event. */
export function parseEvent(body: unknown): TrailEvent {
  const event: TrailEvent = {
    id: textField(body, "id", { max: 36 }),
    at: textField(body, "at", { max: 40 }),
    actor: textField(body, "actor", { max: 200 }),
    action: textField(body, "action", { max: 100 }),
    object: textField(body, "object", { max: 1000 }),
  };
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(event.id))
    throw new HttpError(400, '"id" must be a UUID');
  if (Number.isNaN(Date.parse(event.at))) throw new HttpError(400, '"at" must be a time');
  return event;
}
