/** Appends to the audit trail through the entry, at a constant rate, with ids that are read back at the end. */
import { valueOf } from "../../core/drill/history.ts";
import { outcomeOf } from "../../core/drill/outcome.ts";
import { VirtualClient } from "./client.ts";
import { trustOf } from "./connections.ts";
import { type Observer, pause } from "./observer.ts";

const INTERVAL_MS = 100;

/** Open loop, as the load's writes: an append is due whatever became of those before it. */
export async function appendToTrail(observer: Observer, write: string): Promise<void> {
  const { config, now, stop } = observer;
  const client = new VirtualClient(config, trustOf(config), 1);
  const underWay = new Set<Promise<void>>();
  const begin = now();
  for (let count = 0; ; count++) {
    const intended = begin + count * INTERVAL_MS;
    await pause(intended - now(), stop);
    if (stop.aborted) break;
    const append = appendOne(observer, client, { write, id: `${config.run}-t${count}`, intended });
    underWay.add(append);
    void append.finally(() => underWay.delete(append));
  }
  await Promise.all(underWay);
  await client.close();
}

async function appendOne(
  { now, record }: Observer,
  client: VirtualClient,
  { write, id, intended }: { readonly write: string; readonly id: string; readonly intended: number },
): Promise<void> {
  const sent = now();
  const body = JSON.stringify({ id, value: valueOf(id) });
  const answer = await client.send({ method: "POST", path: write, body });
  const { status, timedOut } = answer;
  const outcome = outcomeOf({ write: true, sent: answer.sent, status, timedOut });
  const error = outcome === "ok" ? null : (answer.error ?? "http");
  record({ kind: "append", id, intended, sent, done: now(), outcome, status, error });
}
