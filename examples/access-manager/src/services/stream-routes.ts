/**
 * Long-lived connections, as a UI that watches has them: answers that go on, with a line every `everyMs`. A
 * failover is seen on them as a cut or a silence.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Database, destroy } from "../database.ts";
import { HttpError, integerQuery, type Response, type Route } from "../router.ts";

const MAX_STREAMS = 200;
/** Each costs a connection of PostgreSQL's. */
const MAX_SESSIONS = 8;

type Lines = NonNullable<Response["lines"]>;

export function streamRoutes(api: string, node: string, database: Database): readonly Route[] {
  return [
    route(`${api}/stream`, MAX_STREAMS, (everyMs) => async (write, closed) => {
      for (let n = 0; !closed.aborted; n++) {
        write({ node, n });
        await sleep(everyMs, undefined, { signal: closed }).catch(() => undefined);
      }
    }),
    route(`${api}/session`, MAX_SESSIONS, (everyMs) => async (write, closed) => {
      const client = database.session();
      // A lost connection ends the stream at once, also between two queries.
      const lost = new AbortController();
      client.on("error", () => lost.abort());
      client.on("end", () => lost.abort());
      const over = AbortSignal.any([closed, lost.signal]);
      over.addEventListener("abort", () => destroy(client));
      try {
        await client.connect();
        for (let n = 0; !over.aborted; n++) {
          const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
          write({ node, n, pid: rows[0]?.pid });
          await sleep(everyMs, undefined, { signal: over }).catch(() => undefined);
        }
      } finally {
        destroy(client);
      }
    }),
  ];
}

function route(path: string, limit: number, lines: (everyMs: number) => Lines): Route {
  let open = 0;
  return {
    method: "GET",
    path,
    handle: ({ query }) => {
      const everyMs = integerQuery(query, "everyMs", 1_000, 30_000, 50);
      if (open >= limit) throw new HttpError(503, `${limit} are open already`, { "retry-after": "5" });
      open += 1;
      const run: Lines = async (write, closed) => {
        try {
          await lines(everyMs)(write, closed);
        } finally {
          open -= 1;
        }
      };
      return { status: 200, lines: run };
    },
  };
}
