/** Reads every write of a run back: what was acknowledged must be there, what was not done must not. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { formatLine, parseHistory, type ReadBack, valueOf } from "../../core/drill/history.ts";
import { parseObservations } from "../../core/drill/observations.ts";
import { compareBody } from "../../core/drill/readback.ts";
import { VirtualClient } from "./client.ts";
import type { LoadConfig } from "./config.ts";
import { trustOf } from "./connections.ts";
import { LineFile } from "./lines.ts";
import { listEntries, type Listed } from "./list.ts";

const CONCURRENCY = 16;
const RETRY_MS = 200;
/** A 404 for an acknowledged write counts only if it lasts: a read replica may be behind. */
const ABSENT_FOR_MS = 2000;

type Write = Pick<ReadBack, "id" | "outcome" | "intended" | "of">;

/** What is known of a write that has no definite answer yet. */
interface Open {
  readonly write: Write;
  /** When it was first found absent; null: not yet. */
  absentSince: number | null;
}

/** @returns how many writes were read back; each until its answer is definite or `limitMs` is over */
export async function readBackWrites(config: LoadConfig, stop: AbortSignal): Promise<number> {
  const giveUp = AbortSignal.any([stop, AbortSignal.timeout(config.limitMs)]);
  const output = await LineFile.create(config.readBackFile);
  const trust = trustOf(config);
  const clients = Array.from({ length: CONCURRENCY }, () => new VirtualClient(config, trust, CONCURRENCY));
  let count = 0;
  const settle = (result: ReadBack): void => {
    output.write(formatLine(result));
    count++;
  };
  try {
    const listed = await listEntries(clients, config, giveUp);
    let open: Open[] = [];
    for await (const write of writesOf(config)) {
      const found = isListed(write, listed);
      if (found === undefined) open.push({ write, absentSince: null });
      else settle(found);
    }
    // In rounds over all that is open: a thousand lost writes must not take a thousand times two seconds.
    while (open.length > 0 && !giveUp.aborted) {
      open = await askRound(clients, config, open, settle, giveUp);
      if (open.length > 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    for (const { write } of open) settle({ ...write, found: "unreadable", copies: 0 });
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await output.close();
  }
  return count;
}

/** Asks once for each. @returns those that are open still */
async function askRound(
  clients: readonly VirtualClient[],
  config: LoadConfig,
  open: readonly Open[],
  settle: (result: ReadBack) => void,
  giveUp: AbortSignal,
): Promise<Open[]> {
  const left: Open[] = [];
  const queue = open.values();
  const worker = async (client: VirtualClient): Promise<void> => {
    for (const one of queue) {
      const result = giveUp.aborted ? null : await askOnce(client, config, one);
      if (result === null) left.push(one);
      else settle(result);
    }
  };
  await Promise.all(clients.map(worker));
  return left;
}

/** Every write that the run's files tell of, one at a time. */
async function* writesOf({ historyFile, trail }: LoadConfig): AsyncGenerator<Write, undefined, undefined> {
  for await (const line of linesOf(historyFile)) {
    const [record] = parseHistory(line);
    if (record === undefined || record.id === null) continue;
    yield { id: record.id, outcome: record.outcome, intended: record.intended };
  }
  if (trail === null) return;
  for await (const line of linesOf(trail.observationsFile)) {
    const [record] = parseObservations(line);
    if (record?.kind !== "append") continue;
    yield { id: record.id, outcome: record.outcome, intended: record.intended, of: "trail" };
  }
}

async function* linesOf(path: string): AsyncGenerator<string, undefined, undefined> {
  const input = createReadStream(path, "utf8");
  try {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) yield `${line}\n`;
  } finally {
    input.destroy();
  }
}

/** The list settles only what is there as it should be; all else is asked for by itself. */
function isListed(write: Write, listed: Listed): ReadBack | undefined {
  const found = write.of === "trail" ? undefined : listed.get(write.id);
  if (found === undefined || found.value !== valueOf(write.id)) return undefined;
  return { ...write, found: "same", copies: found.copies };
}

/** @returns null when the answer is not definite */
async function askOnce(
  client: VirtualClient,
  { workload, trail }: LoadConfig,
  one: Open,
): Promise<ReadBack | null> {
  const { write } = one;
  const template = write.of === "trail" ? trail?.readBack : workload.readBack;
  const path = (template ?? "").replaceAll("{id}", encodeURIComponent(write.id));
  const { status, body } = await client.send({ method: "GET", path, keepBody: true });
  if (status === 200) {
    const compared = compareBody(body, valueOf(write.id));
    if (compared.found !== "absent") return { ...write, ...compared };
  }
  if (status !== 404 && status !== 200) return null;
  one.absentSince ??= performance.now();
  const isSettled = write.outcome !== "ok" || performance.now() - one.absentSince >= ABSENT_FOR_MS;
  return isSettled ? { ...write, found: "absent", copies: 0 } : null;
}
