/** The durable entries over REST. */
import type { Database } from "../database.ts";
import { listEntries, readEntry, writeEntry } from "../entries.ts";
import { HttpError, integerQuery, type Route, textField } from "../router.ts";

export function entryRoutes(api: string, database: Database): readonly Route[] {
  return [
    {
      method: "POST",
      path: `${api}/entries`,
      handle: async (request) => {
        const body = await request.json();
        const entry = {
          id: textField(body, "id", { max: 200 }),
          value: textField(body, "value", { max: 65_536 }),
        };
        const outcome = await writeEntry(database, entry);
        if (outcome === "conflict") throw new HttpError(409, "the id exists with another value");
        return { status: outcome === "created" ? 201 : 200, body: { id: entry.id } };
      },
    },
    {
      method: "GET",
      path: `${api}/entries`,
      handle: async ({ query }) => {
        const limit = integerQuery(query, "limit", 1_000, 5_000);
        const page = { prefix: query.get("prefix") ?? "", after: query.get("after") ?? "", limit };
        const entries = await listEntries(database, page);
        const next = entries.length === limit ? entries.at(-1)?.id : undefined;
        return { status: 200, body: { entries, ...(next === undefined ? {} : { next }) } };
      },
    },
    {
      method: "GET",
      path: `${api}/entries/:id`,
      handle: async ({ parameters }) => {
        const entry = await readEntry(database, parameters["id"] ?? "");
        if (entry === undefined) throw new HttpError(404, "no such entry");
        return { status: 200, body: entry };
      },
    },
  ];
}
