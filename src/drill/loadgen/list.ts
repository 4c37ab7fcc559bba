/** All entries of a run, by pages: a run of an hour has more than can be asked for one by one. */
import { z } from "zod";
import type { VirtualClient } from "./client.ts";
import type { LoadConfig } from "./config.ts";

/** Value and number of entries by id; the last value where an id has several. */
export type Listed = ReadonlyMap<string, { readonly value: string; readonly copies: number }>;

const pageSchema = z.object({
  entries: z.array(z.object({ id: z.string(), value: z.string() })),
  next: z.string().optional(),
});

const RETRY_MS = 200;
const TRIES = 10;

/** @returns what could be listed: nothing when the app has no list or does not answer; the rest is asked for singly */
export async function listEntries(
  [client]: readonly VirtualClient[],
  config: LoadConfig,
  giveUp: AbortSignal,
): Promise<Listed> {
  const { list } = config.workload;
  const found = new Map<string, { value: string; copies: number }>();
  if (list === undefined || client === undefined) return found;
  let after: string | undefined = "";
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
  return found;
}

function parsePage(body: string): z.output<typeof pageSchema> | null {
  try {
    return pageSchema.parse(JSON.parse(body));
  } catch {
    return null; // cut off, or not what was agreed
  }
}
