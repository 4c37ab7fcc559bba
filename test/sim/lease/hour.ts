import type { Variant } from "./agent.ts";
import { Cluster, layouts, Violation } from "./cluster.ts";
import { faults } from "./faults.ts";
import type { Host } from "./host.ts";

export interface History {
  readonly digest: string;
  /** What did not hold; null: everything did. */
  readonly violation: string | null;
  readonly faults: number;
  readonly acknowledged: number;
}

/** After the last fault is mended: Patroni's ttl, an election, a start of PostgreSQL, and the agents' waits. */
const healMs = 60_000;
const hour = 3_600_000;

/** Bursts of faults, each followed by quiet in which everything must be well again in time. */
export function live(
  seed: number,
  hours: number,
  variant: Variant = {},
  tell?: (line: string) => void,
): History {
  const layout = layouts[seed % layouts.length];
  if (layout === undefined) throw new Error("no layout");
  const cluster = new Cluster(seed, layout, variant);
  const { world } = cluster;
  const { random } = world;
  let count = 0;
  let violation: string | null = null;
  const names = variant.faults ?? Object.keys(faults);
  const mends = new Set<() => void>();

  const inject = (until: number): void => {
    if (world.now >= until) return;
    const name = random.pick(names);
    const host = target(cluster);
    const mend = faults[name]?.(cluster, host);
    count++;
    world.trace(`${name} ${host.name}`);
    tell?.(`${world.now} ${name} on ${host.name}`);
    if (mend !== undefined) {
      const once = (): void => {
        if (mends.delete(once)) {
          tell?.(`${world.now} mended: ${name} on ${host.name}`);
          mend();
        }
      };
      mends.add(once);
      world.after(random.chance(0.5) ? random.between(100, 5000) : random.between(5000, 60_000), once);
    }
    world.after(random.gap(6000), () => inject(until));
  };

  try {
    cluster.start();
    world.run(30_000);
    while (world.now < hours * hour) {
      cluster.quiet = false;
      inject(world.now + random.between(5000, 90_000));
      world.run(world.now + 90_000);
      cluster.quiet = true;
      for (const mend of mends) mend();
      settle(cluster);
      world.run(world.now + random.between(1000, 20_000));
    }
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error.message;
  }
  return { digest: world.digest, violation, faults: count, acknowledged: cluster.acknowledged };
}

/** The primary's host is where it hurts. */
function target(cluster: Cluster): Host {
  const { random } = cluster.world;
  const primary = cluster.databases.find(({ role, state }) => role === "primary" && state === "running");
  if (primary !== undefined && random.chance(0.5)) return primary.host;
  return random.pick([...cluster.hosts.values()]);
}

function settle(cluster: Cluster): void {
  const { world } = cluster;
  // Whatever a fault left switched off for good is started, as systemd would.
  for (const host of cluster.hosts.values()) if (!host.up) host.boot();
  for (const patroni of cluster.patronis) if (!patroni.process.running) patroni.start();
  for (const agent of cluster.agents.values()) agent.start();
  const deadline = world.now + healMs;
  for (;;) {
    while (cluster.unhealthy() !== null && world.now < deadline) world.run(world.now + 250);
    const before = cluster.acknowledged;
    world.run(world.now + 5000);
    const why = cluster.unhealthy() ?? (cluster.acknowledged === before ? "nothing is acknowledged" : null);
    if (why === null) return;
    if (world.now >= deadline)
      throw new Violation(`${healMs / 1000} s after the last heal ${why}, at ${world.now} ms`);
  }
}
