import type { Cluster } from "./cluster.ts";
import type { Host } from "./host.ts";
import type { Process } from "./process.ts";

/** Breaks something and returns how to mend it. */
type Fault = (cluster: Cluster, host: Host) => () => void;

const cut = (cluster: Cluster, pairs: readonly (readonly [string, string])[]): (() => void) => {
  const { network } = cluster;
  const added = pairs.filter(([from, to]) => network.cut(from, to));
  return () => {
    for (const [from, to] of added) network.mend(from, to);
  };
};

const othersOf = (cluster: Cluster, host: Host): string[] =>
  [...cluster.hosts.keys()].filter((name) => name !== host.name);

const stopped = (process: Process): (() => void) => {
  process.stop();
  return () => process.resume();
};

const patroniOf = (cluster: Cluster, host: Host) => cluster.patronis.find(({ name }) => name === host.name);

const crash: Fault = (cluster, host) => {
  if (!host.up) return () => {};
  const patroni = patroniOf(cluster, host);
  host.crash();
  cluster.agent(host.name).stop();
  if (patroni !== undefined && patroni.postgres.state === "running") patroni.postgres.stop("stopped");
  return () => {
    host.boot();
    patroni?.start();
    cluster.agent(host.name).start();
  };
};

const freeze =
  (clockStops: boolean): Fault =>
  (cluster, host) => {
    if (host.frozen || !host.up) return () => {};
    patroniOf(cluster, host)?.postgres.cancelPromotion();
    host.freeze(clockStops);
    return () => {
      cluster.unsafePatroni.add(host.name);
      host.thaw(cluster.world.random.chance(0.5));
      cluster.gateChanged(host);
    };
  };

const killAgent: Fault = (cluster, host) => {
  const agent = cluster.agent(host.name);
  agent.stop();
  return () => agent.start();
};

const patroniHangs: Fault = (cluster, host) => {
  const patroni = patroniOf(cluster, host);
  if (patroni === undefined) return () => {};
  cluster.unsafePatroni.add(host.name);
  return stopped(patroni.process);
};

export const faults: Readonly<Record<string, Fault>> = {
  crash,
  freeze: freeze(false),
  "pause machine": freeze(true),
  "kill agent": killAgent,
  "restart agent": (cluster, host) => {
    const mend = killAgent(cluster, host);
    cluster.world.after(cluster.world.random.between(5, 150), mend);
    return () => {};
  },
  "kill all agents": (cluster) => {
    const mends = [...cluster.hosts.values()].map((host) => killAgent(cluster, host));
    return () => mends.forEach((mend) => mend());
  },
  "stop agent": (cluster, host) => stopped(cluster.agent(host.name).process),
  leave: (cluster, host) => {
    const agent = cluster.agent(host.name);
    agent.leave();
    return () => {
      agent.stop();
      agent.start();
    };
  },
  "all leave": (cluster) => {
    for (const agent of cluster.agents.values()) agent.leave();
    return () => {
      for (const agent of cluster.agents.values()) {
        agent.stop();
        agent.start();
      }
    };
  },
  "kill postgres": (cluster, host) => {
    const postgres = patroniOf(cluster, host)?.postgres;
    if (postgres?.state === "running" && host.up) postgres.stop("crashed");
    return () => {};
  },
  "postgres hangs": (cluster, host) => {
    const postgres = patroniOf(cluster, host)?.postgres;
    if (postgres === undefined || postgres.state !== "running") return () => {};
    postgres.cancelPromotion();
    postgres.hung = true;
    return () => {
      cluster.unsafePatroni.add(host.name);
      postgres.hung = false;
      cluster.gateChanged(host);
    };
  },
  "kill Patroni": (cluster, host) => {
    const patroni = patroniOf(cluster, host);
    if (patroni === undefined || !host.up) return () => {};
    patroni.process.kill();
    cluster.world.after(cluster.world.random.between(500, 3000), () => {
      if (host.up && !patroni.process.running) patroni.start();
    });
    return () => {};
  },
  "Patroni hangs": patroniHangs,
  isolate: (cluster, host) =>
    cut(
      cluster,
      othersOf(cluster, host).flatMap((name) => [[host.name, name] as const, [name, host.name] as const]),
    ),
  deaf: (cluster, host) =>
    cut(
      cluster,
      othersOf(cluster, host).map((name) => [name, host.name] as const),
    ),
  mute: (cluster, host) =>
    cut(
      cluster,
      othersOf(cluster, host).map((name) => [host.name, name] as const),
    ),
  "cut one way": (cluster, host) =>
    cut(cluster, [[host.name, cluster.world.random.pick(othersOf(cluster, host))]]),
  "cut pair": (cluster, host) => {
    const other = cluster.world.random.pick(othersOf(cluster, host));
    return cut(cluster, [
      [host.name, other],
      [other, host.name],
    ]);
  },
  split: (cluster) => {
    const names = [...cluster.hosts.keys()];
    const left = new Set(names.filter(() => cluster.world.random.chance(0.5)));
    const pairs = names.flatMap((from) => names.map((to) => [from, to] as const));
    return cut(
      cluster,
      pairs.filter(([from, to]) => left.has(from) !== left.has(to)),
    );
  },
  "no etcd": (cluster, host) => {
    host.etcdCut = true;
    return () => {
      host.etcdCut = false;
    };
  },
  "no etcd at all": (cluster) => {
    const hosts = [...cluster.hosts.values()];
    for (const host of hosts) host.etcdCut = true;
    return () => {
      for (const host of hosts) host.etcdCut = false;
    };
  },
  switchover: ({ etcd }) => {
    etcd.switchover = etcd.leader?.host ?? null;
    return () => {};
  },
  "bad network": ({ network, world }) => {
    network.weather = {
      loss: world.random.pick([0.05, 0.2, 0.5]),
      slow: world.random.pick([0.01, 0.1, 0.5]),
    };
    return () => network.clearUp();
  },
};
