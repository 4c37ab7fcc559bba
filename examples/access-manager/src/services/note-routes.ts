/** Notes in the audit trail with the client's own ids, made to be counted after a failover, as entries are. */
import { createHash } from "node:crypto";
import type { Database } from "../database.ts";
import { HttpError, type Route, textField } from "../router.ts";
import type { TrailEvent } from "../trail-event.ts";
import type { TrailReader } from "../trail-reader.ts";

type Append = (events: readonly TrailEvent[]) => Promise<void>;

export function noteRoutes(
  api: string,
  database: Database,
  reader: TrailReader,
  append: Append,
): readonly Route[] {
  return [
    {
      method: "POST",
      path: `${api}/notes`,
      handle: async (request) => {
        const body = await request.json();
        const id = textField(body, "id", { max: 100 });
        const value = textField(body, "value", { max: 200 });
        await append([
          { id: eventId(id), at: new Date().toISOString(), actor: value, action: "note", object: id },
        ]);
        return { status: 201, body: { id } };
      },
    },
    {
      method: "GET",
      path: `${api}/notes/:id`,
      handle: async ({ parameters }) => {
        const id = parameters["id"] ?? "";
        const file = await database.run(async (query) => {
          const sql = "SELECT file FROM trail_index WHERE id = $1";
          return (await query(sql, [eventId(id)])).rows[0]?.["file"] as string | undefined;
        });
        const value = file === undefined ? undefined : await read(reader, file, eventId(id));
        if (value === undefined) throw new HttpError(404, "no such note");
        return { status: 200, body: { id, value } };
      },
    },
  ];
}

/** The same for the same note: sent again after an unknown outcome, it is still one event to readers. */
function eventId(id: string): string {
  const hex = createHash("sha256").update(id).digest("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    "-",
  );
}

async function read(reader: TrailReader, file: string, id: string): Promise<string | undefined> {
  try {
    return await reader.actorOf(file, id);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new HttpError(503, "the trail cannot be read", { "retry-after": "2" });
  }
}
