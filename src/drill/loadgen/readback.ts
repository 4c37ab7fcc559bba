/** Reads every write of a run back: what was acknowledged must be there, what was not done must not. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import {
  formatLine,
  parseHistory,
  type ReadBack,
  type RequestRecord,
  valueOf,
} from "../../core/drill/history.ts";
import { compareBody } from "../../core/drill/readback.ts";
import { VirtualClient } from "./client.ts";
import type { LoadConfig } from "./config.ts";
import { trustOf } from "./connections.ts";
import { LineFile } from "./lines.ts";

const CONCURRENCY = 16;
const RETRY_MS = 200;
/** A 404 for an acknowledged write counts only if it lasts: a read replica may be behind. */
const ABSENT_FOR_MS = 2000;

/** @returns how many writes were read back; each until its answer is definite or `limitMs` is over */
export async function readBackWrites(config: LoadConfig, stop: AbortSignal): Promise<number> {
  const giveUp = AbortSignal.any([stop, AbortSignal.timeout(config.limitMs)]);
  const output = await LineFile.create(config.readBackFile);
  const input = createReadStream(config.historyFile, "utf8");
  const lines = createInterface({ input, crlfDelay: Infinity })[Symbol.asyncIterator]();
  const trust = trustOf(config);
  let count = 0;
  const worker = async (): Promise<void> => {
    const client = new VirtualClient(config, trust, false);
    for (let line = await lines.next(); line.done !== true; line = await lines.next()) {
      const [record] = parseHistory(`${line.value}\n`);
      if (record !== undefined && record.id !== null) {
        output.write(formatLine(await readBackOne(client, config, record, record.id, giveUp)));
        count++;
      }
    }
    await client.close();
  };
  try {
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  } finally {
    input.destroy();
    await output.close();
  }
  return count;
}

async function readBackOne(
  client: VirtualClient,
  config: LoadConfig,
  { outcome, intended }: RequestRecord,
  id: string,
  giveUp: AbortSignal,
): Promise<ReadBack> {
  const path = config.workload.readBack.replaceAll("{id}", encodeURIComponent(id));
  let absentSince: number | null = null;
  while (!giveUp.aborted) {
    const { status, body } = await client.send({ method: "GET", path, keepBody: true });
    if (status === 200) {
      const compared = compareBody(body, valueOf(id));
      if (compared.found !== "absent") return { id, outcome, intended, ...compared };
    }
    if (status === 404 || status === 200) {
      absentSince ??= performance.now();
      const settled = outcome !== "ok" || performance.now() - absentSince >= ABSENT_FOR_MS;
      if (settled) return { id, outcome, intended, found: "absent", copies: 0 };
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
  return { id, outcome, intended, found: "unreadable", copies: 0 };
}
