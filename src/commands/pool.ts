/** What the commands of the pool have in common. */
import { defaultSettings } from "../core/decide/pool/settings.ts";
import type { PoolSettings } from "../core/decide/pool/types.ts";
import { isAppOnly } from "../core/topology/pool.ts";
import { isService, type ServiceTopology } from "../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import type { PoolPlace } from "../run/pool/hosts.ts";
import { stateDirectory } from "../run/state.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology, refuseErrors } from "./load.ts";

/** Making a host takes half a minute on a quiet machine. */
const BOOT_MS = 300_000;

/** @throws HoldfastError (usage) when the topology has no pool, or one whose hosts cannot come and go */
export async function loadPool(argument: string | undefined, io: CommandIo): Promise<PoolPlace> {
  // Without the state directory: the file as it is, with all hosts that may be.
  const loaded = await loadTopology(argument, { cwd: io.cwd, root: io.root });
  refuseErrors(loaded);
  const { topology, file } = loaded;
  if (!isService(topology) || topology.app.pool === undefined) {
    throw new HoldfastError(`${topology.name} has no pool: its app hosts are as the file lists them`, {
      fix: "give the file `app.pool` with `max`, and list in `app.hosts` all hosts that may be",
      exitStatus: ExitStatus.usage,
    });
  }
  const shared = topology.app.hosts.find((host) => !isAppOnly(topology, host));
  if (shared !== undefined) {
    throw new HoldfastError(`${shared} is more than an app host: it cannot come and go`, {
      fix: "give the pool hosts of its own in `app.hosts`",
      exitStatus: ExitStatus.usage,
    });
  }
  const { root, home, reporter, signal } = io;
  const directory = stateDirectory(home, topology.name);
  return { full: topology, file, directory, home, root, reporter, signal };
}

export function poolSettings({ app, zones }: ServiceTopology): PoolSettings {
  const { min, max, spares, requestsPerHost } = app.pool ?? { min: 1, max: app.hosts.length, spares: 0 };
  return {
    ...defaultSettings({ min, max, spares, zones, target: requestsPerHost ?? null }),
    bootMs: BOOT_MS,
  };
}
