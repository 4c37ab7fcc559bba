/**
 * How old is what app hosts show? One object with one writer, changed through the entry every half second;
 * meanwhile each app host is asked, by its own address, which change it shows.
 */
import type { ShownRecord } from "../../core/drill/observations.ts";
import { outcomeOf } from "../../core/drill/outcome.ts";
import { VirtualClient } from "./client.ts";
import type { ObserveConfig } from "./config.ts";
import { trustOf } from "./connections.ts";
import { type Observer, pause } from "./observer.ts";

/** Longer than a refresh takes when all is well, so that each change is seen by itself. */
const CHANGE_MS = 500;
/** How finely staleness is known. */
const ASK_MS = 25;

type CacheConfig = NonNullable<ObserveConfig["cache"]>;

export async function watchCache(observer: Observer, cache: CacheConfig): Promise<void> {
  await Promise.all([
    changeRepeatedly(observer, cache),
    ...cache.hosts.map((host) => askRepeatedly(observer, cache, host)),
  ]);
}

const idOf = ({ config }: Observer): string => `drill-${config.run}`;
const nameOf = (n: number): string => `drill change ${n}`;
const pathOf = (template: string, id: string): string => template.replaceAll("{id}", encodeURIComponent(id));

async function changeRepeatedly(observer: Observer, { change }: CacheConfig): Promise<void> {
  const { config, now, record, stop } = observer;
  const client = new VirtualClient(config, trustOf(config), 1);
  const id = idOf(observer);
  for (let n = 1; !stop.aborted; n++) {
    const sent = now();
    const body = JSON.stringify({ id, name: nameOf(n) });
    const answer = await client.send({ method: "PUT", path: pathOf(change, id), body });
    const { sent: left, status, timedOut } = answer;
    record({
      kind: "change",
      n,
      sent,
      done: now(),
      outcome: outcomeOf({ write: true, sent: left, status, timedOut }),
    });
    await pause(CHANGE_MS - (now() - sent), stop);
  }
  await client.close();
}

async function askRepeatedly(
  observer: Observer,
  { shown }: CacheConfig,
  { name: host, origin }: CacheConfig["hosts"][number],
): Promise<void> {
  const { config, now, record, stop } = observer;
  // A host that does not answer shows nothing, stale or not: the next question need not wait for it long.
  const own = { ...config, origin, ca: config.hostCa, domain: null, responseTimeoutMs: 1000 };
  const client = new VirtualClient(own, trustOf(own), 1);
  const path = pathOf(shown, idOf(observer));
  const runs = new ShownRuns(host, record);
  while (!stop.aborted) {
    const sent = now();
    const { status, body } = await client.send({ method: "GET", path, keepBody: true });
    const n = status === 404 ? 0 : status === 200 ? changeIn(body) : null;
    runs.answered(n, sent, now());
    await pause(ASK_MS - (now() - sent), stop);
  }
  runs.end();
  await client.close();
}

/** Answers in a row that show the same, as one record. */
class ShownRuns {
  readonly #host: string;
  readonly #record: (run: ShownRecord) => void;
  #run: ShownRecord | null = null;

  constructor(host: string, record: (run: ShownRecord) => void) {
    this.#host = host;
    this.#record = record;
  }

  /** @param n the change that the answer shows; null: no answer, and what it shows next is a new finding */
  answered(n: number | null, sent: number, at: number): void {
    if (n !== null && n === this.#run?.n) {
      this.#run = { ...this.#run, to: sent };
      return;
    }
    this.end();
    if (n !== null) this.#run = { kind: "shown", host: this.#host, n, from: sent, to: sent, seen: at };
  }

  end(): void {
    if (this.#run !== null) this.#record(this.#run);
    this.#run = null;
  }
}

/** @returns the number of the change that the answer shows; null when it shows none */
function changeIn(body: string): number | null {
  const n = /"name":\s*"drill change (\d+)"/.exec(body)?.[1];
  return n === undefined ? null : Number(n);
}
