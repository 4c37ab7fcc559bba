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

/** @returns how many writes were read back; each until its answer is definite or `limitMs` is over */
export async function readBackWrites(config: LoadConfig, stop: AbortSignal): Promise<number> {
  const giveUp = AbortSignal.any([stop, AbortSignal.timeout(config.limitMs)]);
  const output = await LineFile.create(config.readBackFile);
  const trust = trustOf(config);
  const clients = Array.from({ length: CONCURRENCY }, () => new VirtualClient(config, trust, CONCURRENCY));
  const [first] = clients;
  const listed: Listed = first === undefined ? new Map() : await listEntries(first, config, giveUp);
  const writes = writesOf(config);
  let count = 0;
  const worker = async (client: VirtualClient): Promise<void> => {
    for (let next = await writes.next(); next.done !== true; next = await writes.next()) {
      const write = next.value;
      output.write(formatLine(isListed(write, listed) ?? (await readBackOne(client, config, write, giveUp))));
      count++;
    }
  };
  try {
    await Promise.all(clients.map(worker));
  } finally {
    await writes.return(undefined);
    await Promise.all(clients.map((client) => client.close()));
    await output.close();
  }
  return count;
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

async function readBackOne(
  client: VirtualClient,
  { workload, trail }: LoadConfig,
  write: Write,
  giveUp: AbortSignal,
): Promise<ReadBack> {
  const { id, outcome } = write;
  const template = write.of === "trail" ? trail?.readBack : workload.readBack;
  const path = (template ?? "").replaceAll("{id}", encodeURIComponent(id));
  let absentSince: number | null = null;
  while (!giveUp.aborted) {
    const { status, body } = await client.send({ method: "GET", path, keepBody: true });
    if (status === 200) {
      const compared = compareBody(body, valueOf(id));
      if (compared.found !== "absent") return { ...write, ...compared };
    }
    if (status === 404 || status === 200) {
      absentSince ??= performance.now();
      const settled = outcome !== "ok" || performance.now() - absentSince >= ABSENT_FOR_MS;
      if (settled) return { ...write, found: "absent", copies: 0 };
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  return { ...write, found: "unreadable", copies: 0 };
}
