import type { Topology } from "../topology/schema.ts";
import { agent } from "./agent/render.ts";
import { app } from "./app/render.ts";
import { backup } from "./backup/render.ts";
import { base } from "./base/render.ts";
import type { Engine } from "./engine.ts";
import { etcd } from "./etcd/render.ts";
import { haproxy } from "./haproxy/render.ts";
import { keepalived } from "./keepalived/render.ts";
import { nginx } from "./nginx/render.ts";
import { pgbackrest } from "./pgbackrest/render.ts";
import { postgres } from "./postgres/render.ts";
import { redis } from "./redis/render.ts";
import { storage } from "./storage/render.ts";

/** Every engine that Holdfast drives. The order is that of their files and units within a phase of a host. */
export const engines: readonly Engine[] = [
  base,
  storage,
  backup,
  pgbackrest,
  etcd,
  postgres,
  redis,
  haproxy,
  nginx,
  app, // after nginx: its ready probe goes through it
  keepalived,
  agent,
];

/** Names of all secrets that a topology's engines need. */
export const secretNames = (topology: Topology): string[] => [
  ...new Set(engines.flatMap((engine) => engine.secrets(topology))),
];
