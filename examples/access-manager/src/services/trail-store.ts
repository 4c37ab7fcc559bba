/** trail-store: the audit trail on shared storage, indexed in PostgreSQL. */
import { REQUEST_DEADLINE_MS } from "../database.ts";
import { repeat, until } from "../deadline.ts";
import { HttpError, integerQuery, type Route } from "../router.ts";
import { type Context, openDatabase, type Parts } from "../start.ts";
import { Trail, TrailUnavailable } from "../trail.ts";
import { parseEvent, type TrailEvent } from "../trail-event.ts";
import { TrailReader } from "../trail-reader.ts";
import { noteRoutes } from "./note-routes.ts";

const API = "/trail-store/api/v1";
const POOL_SIZE = 3;
const MAX_EVENTS = 500;
// Under the caller's 5 s, so that it learns why.
const APPEND_MS = 4_000;
const PROBE_MS = 1_000;

type Database = ReturnType<typeof openDatabase>;

export function createTrailStore(context: Context): Parts {
  const { environment, log } = context;
  const database = openDatabase(context, POOL_SIZE);
  const trail = new Trail({
    directory: environment.trailDir,
    node: environment.nodeName,
    requireMount: environment.trailRequireMount,
  });
  let said = trail.state;
  const probe = async (): Promise<void> => {
    // A hung storage must not stop the reporting that it hangs.
    await until(performance.now() + APPEND_MS, trail.probe(), "probing the trail").catch(() => undefined);
    if (trail.state === said) return;
    said = trail.state;
    if (said === "ok") log.info("trail storage", { state: said });
    else log.warn("trail storage", { state: said });
  };
  void probe();
  const stopProbe = repeat(PROBE_MS, probe, () => undefined);
  return {
    routes: (service) => [
      {
        method: "GET",
        path: `${API}/status`,
        open: true,
        handle: () => {
          const ok = trail.state === "ok" && !service.draining;
          const state = service.draining ? "draining" : ok ? "ok" : "unfit";
          const { nodeName: node } = environment;
          const { service: name, version } = context;
          return {
            status: ok ? 200 : 503,
            body: { service: name, node, version, state, trail: trail.state },
          };
        },
      },
      ...eventRoutes(trail, database, environment.nodeName),
      ...noteRoutes(API, database, new TrailReader(environment.trailDir), (events) =>
        appendAll(trail, database, environment.nodeName, events),
      ),
    ],
    close: async () => {
      stopProbe();
      await until(performance.now() + APPEND_MS, trail.close(), "closing the trail").catch(() => undefined);
      await database.close();
    },
  };
}

function eventRoutes(trail: Trail, database: Database, node: string): readonly Route[] {
  return [
    {
      method: "POST",
      path: `${API}/events`,
      handle: async (request) => {
        const events = parseEvents(await request.json());
        await appendAll(trail, database, node, events);
        return { status: 201, body: { ids: events.map(({ id }) => id) } };
      },
    },
    {
      method: "GET",
      path: `${API}/events`,
      handle: async ({ query }) => {
        const limit = integerQuery(query, "limit", 100, 1_000);
        const events = await database.run(async (run) => {
          const sql =
            "SELECT id, at, node, file, actor, action, object FROM trail_index ORDER BY at DESC, id LIMIT $1";
          return (await run(sql, [limit])).rows;
        });
        return { status: 200, body: { events } };
      },
    },
  ];
}

function parseEvents(body: unknown): readonly TrailEvent[] {
  const events = (body as { events?: unknown } | null)?.events;
  if (!Array.isArray(events) || events.length === 0 || events.length > MAX_EVENTS) {
    throw new HttpError(400, `"events" must be a list of 1 to ${MAX_EVENTS} events`);
  }
  return events.map(parseEvent);
}

/** Files first, they are the trail; then the index. Either failing means 503, and sending again is safe. */
async function appendAll(
  trail: Trail,
  database: Database,
  node: string,
  events: readonly TrailEvent[],
): Promise<void> {
  const deadline = performance.now() + APPEND_MS;
  let files: readonly string[];
  try {
    files = await until(
      deadline,
      Promise.all(events.map((event) => trail.append(event))),
      "writing the trail",
    );
  } catch (error) {
    if (error instanceof TrailUnavailable) throw new HttpError(503, error.message, { "retry-after": "2" });
    throw error;
  }
  const columns = (["id", "at", "actor", "action", "object"] as const).map((name) =>
    events.map((event) => event[name]),
  );
  await database.run(
    (query) =>
      query(
        `INSERT INTO trail_index (id, at, actor, action, object, file, node)
         SELECT *, $7 FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[])
         ON CONFLICT DO NOTHING`,
        [...columns, files, node],
      ),
    REQUEST_DEADLINE_MS,
  );
}
