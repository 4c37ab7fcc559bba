import { mountUnit } from "../core/engines/storage/render.ts";
import type { ServiceTopology } from "../core/topology/schema.ts";
import type { Host } from "../ports.ts";
import { observeHost, observeTimeoutMs, outputOf, unitState, type Observed } from "./observed.ts";

export interface StorageStatus {
  readonly mount: string;
  /** Of the mount unit; null when the storage is a plain directory. */
  readonly unit: string | null;
  /** Something is mounted there (or nothing has to be). */
  readonly mounted: boolean;
  /** The app's user can write there. */
  readonly writable: boolean;
  /** Bytes; null when the storage does not answer. */
  readonly free: number | null;
}

/** The shared storage as this app host sees it; null when the topology has none. A server that hangs is an answer. */
export async function observeStorage(
  host: Host,
  topology: ServiceTopology,
): Promise<Observed<StorageStatus> | null> {
  const { storage, app } = topology;
  if (storage === undefined) return null;
  const { mount } = storage;
  const name = mountUnit(topology);
  // Killed on the host, so that what hangs on the storage does not look like a host that is down.
  const seconds = String(observeTimeoutMs / 1000 - 1);
  const ask = (...argv: string[]): Promise<string | null> =>
    outputOf(host, ["timeout", "-s", "KILL", seconds, ...argv]);
  return observeHost(host, async () => {
    const [unit, mounted, writable, free] = await Promise.all([
      name === null ? null : unitState(host, name),
      name === null ? "" : ask("mountpoint", "-q", mount),
      ask("setpriv", "--reuid", app.user, "--regid", app.user, "--clear-groups", "test", "-w", mount),
      ask("stat", "--file-system", "--format=%a %S", mount),
    ]);
    return {
      mount,
      unit,
      mounted: mounted !== null,
      writable: writable !== null,
      free: free === null ? null : parseFree(free),
    };
  });
}

/** "blocks block-size" -> bytes */
function parseFree(text: string): number | null {
  const [blocks = Number.NaN, size = Number.NaN] = text.trim().split(" ").map(Number);
  const bytes = blocks * size;
  return Number.isFinite(bytes) ? bytes : null;
}
