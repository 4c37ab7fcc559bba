/** Makes and removes single hosts of the pool, as `up` makes them all. */
import { join } from "node:path";
import { isAppOnly, presentTopology } from "../../core/topology/pool.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import { ensureImage } from "../../hosts/lab/image.ts";
import { addMachine, removeMachine } from "../../hosts/lab/members.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Reporter } from "../../ports.ts";
import { packageVersion } from "../artifacts.ts";
import { converge } from "../converge.ts";
import { openProvider } from "../provider.ts";
import { loadState } from "../state.ts";
import { readPool } from "./record.ts";
import { usableSnapshot } from "./snapshots.ts";

export interface PoolPlace {
  /** As the file says it, with all hosts that may be. */
  readonly full: ServiceTopology;
  readonly file: string;
  /** The topology's state directory. */
  readonly directory: string;
  readonly home: string;
  readonly root: string;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

/**
 * A machine with everything on it that an app host has, from whatever is there. Changes no other host.
 * @throws HoldfastError when it cannot be made: what there is of it stays
 */
export async function makeHost(place: PoolPlace, host: string): Promise<void> {
  const { full, file, directory, home, root, reporter, signal } = place;
  const known = full.hosts[host];
  if (known === undefined) throw new HoldfastError(`host ${host} is not in the topology`);
  const image = await ensureImage({ home, reporter, node: join(root, "node_modules/node/bin/node") });
  const { address, memory } = known;
  const version = packageVersion(full.app.package, full.app.name);
  const disk = await usableSnapshot(directory, { version, image });
  await addMachine({ home, lab: full.name }, { name: host, address, memory, image }, disk);
  // With the other members too: what the first of them has to do is not a new one's business.
  const { members } = await readPool(directory, full);
  const present = presentTopology(full, [host, ...members.map((member) => member.host)]);
  const state = await loadState(present, file, root, home);
  const desired = new Map([...state.desired].filter(([name]) => name === host));
  const { hosts } = await openProvider(full, home, reporter);
  await converge({ state: { ...state, desired }, hosts, reporter, signal });
}

/** Its disk goes with it. @throws HoldfastError for a host that is more than an app host */
export async function removeHost({ full, home }: PoolPlace, host: string): Promise<void> {
  if (!isAppOnly(full, host)) {
    throw new HoldfastError(`${host} is more than an app host: it stays`, {
      fix: "give the pool hosts of its own in app.hosts",
    });
  }
  await removeMachine({ home, lab: full.name }, host);
}
