/** All entries of a run, by pages: a run of an hour has more than can be asked for one by one. */
import { z } from "zod";
import type { VirtualClient } from "./client.ts";
import type { ReadBackConfig } from "./config.ts";

export interface Listed {
  /** Value and number of entries by id; the last value where an id has several. */
  readonly entries: ReadonlyMap<string, { readonly value: string; readonly copies: number }>;
  /** What is not in it is not there. */
  readonly isWhole: boolean;
}

const pageSchema = z.object({
  entries: z.array(z.object({ id: z.string(), value: z.string() })),
  next: z.string().optional(),
});

const RETRY_MS = 200;
const TRIES = 10;

/**
 * @param begin the id after which to begin, "" for all; null: not at all
 * @returns what could be listed: nothing when the app has no list or does not answer; the rest is asked for singly
 */
export async function listEntries(
  [client]: readonly VirtualClient[],
  config: ReadBackConfig,
  begin: string | null,
  giveUp: AbortSignal,
): Promise<Listed> {
  const { list } = config.workload;
  const found = new Map<string, { value: string; copies: number }>();
  if (list === undefined || client === undefined || begin === null) return { entries: found, isWhole: false };
  let after: string | undefined = begin;
  for (let failures = 0; after !== undefined && failures < TRIES && !giveUp.aborted;) {
    const path: string = list
      .replaceAll("{prefix}", encodeURIComponent(`${config.run}-`))
      .replaceAll("{after}", encodeURIComponent(after));
    const { status, body } = await client.send({ method: "GET", path, keepBody: true });
    const page = status === 200 ? parsePage(body) : null;
    if (page === null) {
      failures++;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      continue;
    }
    for (const { id, value } of page.entries) {
      found.set(id, { value, copies: (found.get(id)?.copies ?? 0) + 1 });
    }
    after = page.next === after ? undefined : page.next;
  }
  return { entries: found, isWhole: after === undefined };
}

function parsePage(body: string): z.output<typeof pageSchema> | null {
  try {
    return pageSchema.parse(JSON.parse(body));
  } catch {
    return null; // cut off, or not what was agreed
  }
}
