/** Reads writes back: what was acknowledged must be there, what was not done must not. */
import {
  formatLine,
  parseHistory,
  parseReadBack,
  type ReadBack,
  SKIPPED,
  valueOf,
  writeId,
} from "../../core/drill/history.ts";
import { parseObservations } from "../../core/drill/observations.ts";
import { compareBody, isDuplicate, isLost, isPhantom } from "../../core/drill/readback.ts";
import { VirtualClient } from "./client.ts";
import type { Positions, ReadBackConfig } from "./config.ts";
import { trustOf } from "./connections.ts";
import { LineFile, linesOf } from "./lines.ts";
import { listEntries, type Listed } from "./list.ts";

const CONCURRENCY = 16;
const RETRY_MS = 200;
/** A 404 for an acknowledged write counts only if it lasts: a read replica may be behind. */
const ABSENT_FOR_MS = 2000;

type Write = Pick<ReadBack, "id" | "outcome" | "intended" | "of">;

/** What is known of a write that has no definite answer yet. */
interface Open {
  readonly write: Write;
  /** To be recorded whatever is found; else it was found as it should be before. */
  readonly isNews: boolean;
  /** When it was first found absent; null: not yet. */
  absentSince: number | null;
}

type Settle = (result: ReadBack, one: Pick<Open, "isNews">) => void;

/**
 * Appends what it finds to the read-back's file; each write is asked for until its answer is definite or
 * `limitMs` is over.
 * @returns how many writes were read back, and up to where in the load's files
 */
export async function readBackWrites(
  config: ReadBackConfig,
  stop: AbortSignal,
): Promise<{ readonly count: number; readonly to: Positions }> {
  const giveUp = AbortSignal.any([stop, AbortSignal.timeout(config.limitMs)]);
  const { after, to } = await newWrites(config);
  const output = await LineFile.append(config.readBackFile);
  const trust = trustOf(config);
  const clients = Array.from({ length: CONCURRENCY }, () => new VirtualClient(config, trust, CONCURRENCY));
  let count = 0;
  const settle: Settle = (result, { isNews }) => {
    count++;
    if (isNews || isBad(result)) output.write(formatLine({ ...result, round: config.round }));
  };
  try {
    const listed = await listEntries(clients, config, config.whole ? "" : after, giveUp);
    let open = await compareWithList(config, to, listed, settle);
    // In rounds over all that is open: a thousand lost writes must not take a thousand times two seconds.
    while (open.length > 0 && !giveUp.aborted) {
      open = await askRound(clients, config, open, settle, giveUp);
      if (open.length > 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
    for (const one of open) settle({ ...one.write, found: "unreadable", copies: 0 }, one);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await output.close();
  }
  return { count, to };
}

const isBad = (found: ReadBack): boolean =>
  isLost(found) || isPhantom(found) || isDuplicate(found) || found.found === "unreadable";

/** Before which id the new entries begin (null: there is none), and where the files end now: more is being written. */
async function newWrites(config: ReadBackConfig): Promise<{ after: string | null; to: Positions }> {
  const to = { ...config.from };
  let lowest = Number.POSITIVE_INFINITY;
  for await (const { file, end, write } of linesFrom(config, config.from)) {
    to[file] = end;
    if (write === null || write.of !== undefined) continue;
    lowest = Math.min(lowest, Number(write.id.slice(config.run.length + 1)));
  }
  if (lowest === Number.POSITIVE_INFINITY) return { after: null, to };
  return { after: lowest === 0 ? "" : writeId(config.run, lowest - 1), to };
}

/** @returns the writes that the list does not settle */
async function compareWithList(
  config: ReadBackConfig,
  to: Positions,
  listed: Listed,
  settle: Settle,
): Promise<Open[]> {
  const open: Open[] = [];
  const unread = config.whole ? await unreadable(config) : new Set<string>();
  const begin = config.whole ? { history: 0, observations: 0 } : config.from;
  for await (const { file, end, write } of linesFrom(config, begin, to)) {
    if (write === null) continue;
    const isNews = end > config.from[file] || unread.has(write.id);
    const found = inList(write, listed);
    if (found === undefined) open.push({ write, isNews, absentSince: null });
    else settle(found, { isNews });
  }
  return open;
}

/** Ids that an earlier read-back could not read. */
async function unreadable({ readBackFile }: ReadBackConfig): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const { text } of linesOf(readBackFile, 0)) {
    for (const { id, found } of parseReadBack(text)) if (found === "unreadable") ids.add(id);
  }
  return ids;
}

/** Asks once for each. @returns those that are open still */
async function askRound(
  clients: readonly VirtualClient[],
  config: ReadBackConfig,
  open: readonly Open[],
  settle: Settle,
  giveUp: AbortSignal,
): Promise<Open[]> {
  const left: Open[] = [];
  const queue = open.values();
  const worker = async (client: VirtualClient): Promise<void> => {
    for (const one of queue) {
      const result = giveUp.aborted ? null : await askOnce(client, config, one);
      if (result === null) left.push(one);
      else settle(result, one);
    }
  };
  await Promise.all(clients.map(worker));
  return left;
}

interface Line {
  readonly file: keyof Positions;
  /** Where the line ends, bytes. */
  readonly end: number;
  /** The write that it tells of; null: of none, or of one that was never sent. */
  readonly write: Write | null;
}

/** The whole lines of the load's files, one at a time: an hour of load has millions. */
async function* linesFrom(
  { historyFile, trail }: ReadBackConfig,
  from: Positions,
  to?: Positions,
): AsyncGenerator<Line, undefined, undefined> {
  for await (const { text, end } of linesOf(historyFile, from.history, to?.history)) {
    const [record] = parseHistory(text);
    const sent = record?.error === SKIPPED ? null : (record?.id ?? null);
    const write = record === undefined || sent === null ? null : { ...timesOf(record), id: sent };
    yield { file: "history", end, write };
  }
  if (trail === null) return;
  for await (const { text, end } of linesOf(trail.observationsFile, from.observations, to?.observations)) {
    const [record] = parseObservations(text);
    const write =
      record?.kind === "append" ? { ...timesOf(record), id: record.id, of: "trail" as const } : null;
    yield { file: "observations", end, write };
  }
}

const timesOf = ({
  outcome,
  intended,
}: Pick<Write, "outcome" | "intended">): Pick<Write, "outcome" | "intended"> => ({ outcome, intended });

/**
 * The list settles what is there as it should be, and that what was not acknowledged is not there; all else is
 * asked for by itself.
 */
function inList(write: Write, { entries, isWhole }: Listed): ReadBack | undefined {
  if (write.of === "trail") return undefined;
  const found = entries.get(write.id);
  if (found === undefined && isWhole && write.outcome !== "ok")
    return { ...write, found: "absent", copies: 0 };
  if (found === undefined || found.value !== valueOf(write.id)) return undefined;
  return { ...write, found: "same", copies: found.copies };
}

/** @returns null when the answer is not definite */
async function askOnce(
  client: VirtualClient,
  { workload, trail }: ReadBackConfig,
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
