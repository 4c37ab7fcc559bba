import { setTimeout as sleep } from "node:timers/promises";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import type { Probe } from "../../core/upgrade/downtime.ts";
import type { Host } from "../../ports.ts";

const EVERY_MS = 200;
/** Longer than an answer takes, far shorter than a downtime. */
const PATIENCE_S = 2;

/** Whether clients are served through the entry, asked on an entry host as often as that costs little. */
export interface ServiceProbe {
  /** Ends it. @returns all that it saw */
  stop(): Promise<Probe[]>;
}

/** `known`: what was seen before. Times are ms since the epoch. */
export function probeService(entry: Host, topology: ServiceTopology, known: readonly Probe[]): ServiceProbe {
  const seen = [...known];
  const ended = new AbortController();
  const running = (async () => {
    while (!ended.signal.aborted) {
      const served = await isServed(entry, topology);
      seen.push({ at: Date.now(), served });
      await sleep(EVERY_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      ended.abort();
      await running;
      return seen;
    },
  };
}

/** By the workload's read where there is one: the health path also fails while a host still serves what is under way. */
async function isServed(entry: Host, { app, entry: { ports, domain } }: ServiceTopology): Promise<boolean> {
  const { code, stdout } = await entry
    .run(
      [
        "curl",
        "-s",
        "-k", // this host's own HAProxy, on its loopback
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--max-time",
        String(PATIENCE_S),
        ...(domain === undefined ? [] : ["-H", `Host: ${domain}`]),
        `https://127.0.0.1:${ports.https}${app.workload?.read ?? app.health.path}`,
      ],
      { timeoutMs: 2 * PATIENCE_S * 1000 },
    )
    .catch(() => ({ code: 1, stdout: "" }));
  return code === 0 && stdout.trim() === "200";
}
