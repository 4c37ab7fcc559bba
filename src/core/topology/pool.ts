/** The app hosts that exist now, of all that may: members of the pool come and go, the file stays. */
import type { Topology } from "./schema.ts";

/**
 * The topology of what exists: without the app hosts that are not members now. What is written on hosts names
 * all candidates all the same, so that a host that joins changes nothing on the others.
 * @param members null: nobody has said yet; then the first `min`
 */
export function presentTopology(topology: Topology, members: readonly string[] | null): Topology {
  const { app } = topology;
  if (app?.pool === undefined) return topology;
  const present = members ?? app.hosts.slice(0, app.pool.min);
  const gone = app.hosts.filter((host) => !present.includes(host) && isAppOnly(topology, host));
  return {
    ...topology,
    hosts: Object.fromEntries(Object.entries(topology.hosts).filter(([name]) => !gone.includes(name))),
    app: { ...app, hosts: app.hosts.filter((host) => !gone.includes(host)) },
    candidates: { hosts: topology.hosts, app: app.hosts },
  };
}

/** Whether a host is nothing but an app host: others cannot come and go. */
export const isAppOnly = (topology: Topology, host: string): boolean =>
  (["entry", "database", "coordination", "cache"] as const).every(
    (tier) => topology[tier]?.hosts.includes(host) !== true,
  );

/** All hosts that may exist, in the file's order. */
export const everyHost = ({ hosts, candidates }: Topology): Topology["hosts"] => candidates?.hosts ?? hosts;

/** All app hosts that may exist, in the file's order. */
export const everyAppHost = ({ app, candidates }: Topology): readonly string[] =>
  candidates?.app ?? app?.hosts ?? [];
