/** role-store: roles and members (cached), and the durable entries. */
import { CacheSync } from "../cache-sync.ts";
import { fitness } from "../fitness.ts";
import { NodeWatch } from "../node-watch.ts";
import { Outbox } from "../outbox.ts";
import type { Changed } from "../roles.ts";
import type { Response } from "../router.ts";
import { type Context, localUrl, openDatabase, type Parts, peerUrl } from "../start.ts";
import { openTriggers } from "../triggers.ts";
import { entryRoutes } from "./entry-routes.ts";
import { roleRoutes } from "./role-routes.ts";
import { streamRoutes } from "./stream-routes.ts";

const API = "/role-store/api/v1";
// With two app nodes and the trail-store's and the probes' connections some 40 of PostgreSQL's 100.
const POOL_SIZE = 12;

export function createRoleStore(context: Context): Parts {
  const { environment, log, rest } = context;
  const database = openDatabase(context, POOL_SIZE);
  const trailUrl = localUrl(environment, "trail-store");
  const peerUrls = environment.peers.map(({ name }) => peerUrl(environment, name) ?? "");
  const sync = new CacheSync({
    node: environment.nodeName,
    database,
    rest,
    peerUrl: (node) => peerUrl(environment, node),
    log,
  });
  const triggers = openTriggers(environment.redis, log, (text) => void sync.onTrigger(text));
  const outbox = new Outbox(database, rest, `${trailUrl}/api/v1/events`, log);
  const watch = new NodeWatch({ database, rest, trailStatusUrl: `${trailUrl}/api/v1/status`, peerUrls });

  const changed = async (id: string, change: Changed): Promise<void> => {
    await sync.applyOwn(id, change);
    // Published after this node has it: peers fetch it from here.
    triggers.publish(JSON.stringify({ role: id, version: change.version, node: environment.nodeName }));
    void outbox.flush();
  };
  const status = (draining: boolean): Response => {
    const { ageMs, peerHas } = watch.view();
    const result = fitness({ draining, cacheLoaded: sync.cache.version > 0, ageMs, peerHas });
    const { nodeName: node } = environment;
    const redis = triggers.connected;
    return {
      status: result.fit ? 200 : 503,
      body: { service: context.service, node, version: context.version, ...result, redis },
    };
  };

  return {
    routes: (service) => [
      { method: "GET", path: `${API}/status`, open: true, handle: () => status(service.draining) },
      {
        method: "GET",
        path: `${API}/cache`,
        open: true,
        handle: () => {
          const age = sync.ageMs;
          const ageMs = Number.isFinite(age) ? Math.round(age) : null;
          return { status: 200, body: { version: sync.cache.version, ageMs, redis: triggers.connected } };
        },
      },
      ...roleRoutes(API, sync.cache, database, changed),
      ...entryRoutes(API, database),
      ...streamRoutes(API, environment.nodeName, database),
    ],
    close: async () => {
      for (const part of [sync, outbox, watch]) part.stop();
      triggers.close();
      await database.close();
    },
  };
}
