/**
 * The observer beside the load: probes, long-lived connections, the cache, the trail. A process of its own,
 * so that neither it nor 5,000 requests a second make the other late.
 */
import { setMaxListeners } from "node:events";
import { formatObservation } from "../../core/drill/observations.ts";
import { appendToTrail } from "./appends.ts";
import { watchCache } from "./cache.ts";
import type { LoadMessage, ObserveConfig } from "./config.ts";
import { holdConnection } from "./held.ts";
import { LineFile } from "./lines.ts";
import type { LoadControl } from "./load.ts";
import { type Observer, pause } from "./observer.ts";
import { probeTcp, probeUdp } from "./probes.ts";

const PAUSE_CHECK_MS = 5;
const PAUSE_LIMIT_MS = 10;

/**
 * Observes until it is stopped or `limitMs` has passed.
 * @throws HoldfastError when the observations cannot be written
 */
export async function observe(
  config: ObserveConfig,
  emit: (message: LoadMessage) => void,
  { stop, abandon }: LoadControl,
): Promise<void> {
  const file = await LineFile.create(config.observationsFile);
  const clock = BigInt(config.clock);
  let records = 0;
  const end = AbortSignal.any([stop, abandon, AbortSignal.timeout(config.limitMs)]);
  setMaxListeners(0, end); // every observation listens, all the time
  const observer: Observer = {
    config,
    now: () => Math.round(Number(process.hrtime.bigint() - clock) / 1e3) / 1e3,
    record: (observation) => {
      records++;
      file.write(formatObservation(observation));
    },
    stop: end,
  };
  emit({ type: "started", clock: config.clock });
  const report = setInterval(() => emit({ type: "stats", ok: 0, failed: 0, unknown: 0, oldestMs: 0 }), 1000);
  try {
    await Promise.all([
      notePauses(observer),
      ...(config.probe === null ? [] : [probeTcp(observer, config.probe), probeUdp(observer, config.probe)]),
      ...config.connections.map((connection) => holdConnection(observer, connection)),
      ...(config.cache === null ? [] : [watchCache(observer, config.cache)]),
      ...(config.trail === null ? [] : [appendToTrail(observer, config.trail.write)]),
    ]);
  } finally {
    clearInterval(report);
    await file.close();
  }
  emit({ type: "ended", requests: records });
}

/** A loop that pauses sees everything late: what it saw meanwhile is known no better than that. */
async function notePauses({ now, record, stop }: Observer): Promise<void> {
  let last = now();
  let second = { at: last, longest: 0 };
  while (!stop.aborted) {
    await pause(PAUSE_CHECK_MS, stop);
    const at = now();
    second.longest = Math.max(second.longest, at - last - PAUSE_CHECK_MS);
    last = at;
    if (at - second.at < 1000) continue;
    if (second.longest > PAUSE_LIMIT_MS) record({ kind: "pause", at: second.at, ms: second.longest });
    second = { at, longest: 0 };
  }
}
