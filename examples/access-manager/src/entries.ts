/** Entries: small durable writes with the client's own ids, made to be counted after a failover. */
import type { Database } from "./database.ts";

export interface Entry {
  readonly id: string;
  readonly value: string;
}

/**
 * Writes an entry; when it returns, the entry is durable.
 * @returns "created", "same" (it was there with this value), or "conflict" (with another value).
 */
export async function writeEntry(database: Database, entry: Entry): Promise<"created" | "same" | "conflict"> {
  return database.run(async (query) => {
    // Not DO NOTHING + SELECT: a first try whose commit was cut off may be visible on the primary and not
    // yet on its replica. The no-op update makes a commit record of its own, behind the first one in the
    // log, and its acknowledgement by the replica covers both. `xmax = 0`: the row is new.
    const { rows } = await query(
      `INSERT INTO entries (id, value) VALUES ($1, $2)
       ON CONFLICT (id) DO UPDATE SET value = entries.value WHERE entries.value = excluded.value
       RETURNING xmax = 0 AS created`,
      [entry.id, entry.value],
    );
    if (rows[0] === undefined) return "conflict";
    return rows[0]["created"] === true ? "created" : "same";
  });
}

/** The entry as the primary has it, undefined when it has none. */
export async function readEntry(database: Database, id: string): Promise<Entry | undefined> {
  return database.run(async (query) => {
    const { rows } = await query("SELECT id, value FROM entries WHERE id = $1", [id]);
    return rows[0] as Entry | undefined;
  });
}

/** A page of the entries whose id starts with `prefix`, in byte order of their ids, after the id `after`. */
export async function listEntries(
  database: Database,
  page: { readonly prefix: string; readonly after: string; readonly limit: number },
): Promise<readonly Entry[]> {
  return database.run(async (query) => {
    const { rows } = await query(
      "SELECT id, value FROM entries WHERE id ^@ $1 AND id > $2 ORDER BY id LIMIT $3",
      [page.prefix, page.after, page.limit],
    );
    return rows as unknown as Entry[];
  });
}
