/** What a drill sends to a topology's service, and what it observes beside that. */
import { randomBytes } from "node:crypto";
import type { Rate } from "../core/drill/schedule.ts";
import { addressOf } from "../core/engines/address.ts";
import { echoPort } from "../core/engines/agent/echo.ts";
import { clientAddress, type Topology } from "../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { filesIn } from "./folder.ts";
import type { LoadConfig, ObserveConfig } from "./loadgen/config.ts";

/**
 * Requests per second over all clients, unless told otherwise. The lab's machines and the load share one host's
 * cores, and each carries about 100/s of both: a service that is always behind would be judged, not the fault.
 */
export const defaultRate = (cores: number): number => Math.min(500, 100 * cores);
const CLIENTS = 20;

/** Streams through the entry: two for each of the two app hosts that most topologies have. */
const STREAMS = 4;
/** How often a stream and a busy database session send something. */
const BUSY_MS = 100;
/** An idle session asks only so often: what died silently in between shows then. */
const IDLE_MS = 5000;

export interface LoadTarget {
  readonly topology: Topology;
  /** PEM; whom clients trust when the entry's certificate is generated. */
  readonly caCertificate: string;
  readonly apiToken: string;
  /** The run's folder. */
  readonly folder: string;
  /** Requests per second. */
  readonly rate: number;
  /** The load ends itself after this, ms. */
  readonly limitMs: number;
}

/** @throws HoldfastError (usage) when the topology does not say what may be sent */
export function loadConfigOf(target: LoadTarget): LoadConfig {
  const { topology } = target;
  const { entry, name } = topology;
  const workload = workloadOf(topology);
  if (workload === undefined) {
    throw new HoldfastError(`topology ${name} does not say what a drill may send`, {
      fix: "add `app.workload` with `read`, `write` and `readBack`",
      exitStatus: ExitStatus.usage,
    });
  }
  const files = filesIn(target.folder);
  const rate: Rate = { perSecond: target.rate, clients: CLIENTS };
  const { trail, ...paths } = workload;
  return {
    mode: "load",
    origin: `https://${clientAddress(topology)}:${entry.ports.https}`,
    domain: entry.domain ?? null,
    // An operator's own certificate is signed by somebody whom the system knows.
    ca: entry.tls.source === "generated" ? target.caCertificate : null,
    token: target.apiToken,
    connectTimeoutMs: 500,
    responseTimeoutMs: 15_000,
    limitMs: target.limitMs,
    run: randomBytes(6).toString("hex"),
    workload: paths,
    rate,
    historyFile: files.history,
    readBackFile: files.readBack,
    trail: trail === undefined ? null : { readBack: trail.readBack, observationsFile: files.observations },
  };
}

/** What is sent; undefined when the topology does not say. An entry that stands alone is only read from. */
function workloadOf({ app, entry }: Topology) {
  if (app === undefined) return { read: entry.workload?.read ?? "/", trail: undefined };
  if (app.workload === undefined) return undefined;
  const { read, write, readBack, list, trail } = app.workload;
  return { read, write, readBack, ...(list === undefined ? {} : { list }), trail };
}

/** The observer beside a load: the same run, the same service. `clock` is filled in when the load has started. */
export function observeConfigOf(target: LoadTarget, load: LoadConfig): Omit<ObserveConfig, "clock"> {
  const { topology, folder } = target;
  const { entry, app } = topology;
  const { stream, session, cache, trail } = app?.workload ?? {};
  // Each app host by its own address: not what the entry makes of them. Their certificates are the topology's.
  const hosts = (app?.hosts ?? []).map((name) => ({
    name,
    origin: `https://${addressOf(topology, name)}:${app?.port}`,
  }));
  const { origin, domain, token, connectTimeoutMs, responseTimeoutMs, limitMs, run } = load;
  const streams = Array.from({ length: stream === undefined ? 0 : STREAMS }, (_, index) => ({
    name: `stream ${index + 1}`,
    purpose: "stream" as const,
    origin,
    path: (stream ?? "/").replaceAll("{everyMs}", String(BUSY_MS)),
    everyMs: BUSY_MS,
  }));
  const sessions = (session === undefined ? [] : hosts).flatMap((host) =>
    [BUSY_MS, IDLE_MS].map((everyMs) => ({
      name: `${host.name} ${everyMs === IDLE_MS ? "idle" : "busy"} session`,
      purpose: "session" as const,
      origin: host.origin,
      path: (session ?? "/").replaceAll("{everyMs}", String(everyMs)),
      everyMs,
    })),
  );
  return {
    mode: "observe",
    origin,
    domain,
    ca: load.ca,
    hostCa: target.caCertificate,
    token,
    connectTimeoutMs,
    responseTimeoutMs,
    limitMs,
    run,
    observationsFile: filesIn(folder).observations,
    probe: { address: clientAddress(topology), tcpPort: entry.ports.https, udpPort: echoPort },
    connections: [...streams, ...sessions],
    cache: cache === undefined ? null : { ...cache, hosts },
    trail: trail === undefined ? null : { write: trail.write },
  };
}
