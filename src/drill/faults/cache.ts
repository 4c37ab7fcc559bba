/** Faults of Redis, which carries update triggers only. Promise: the service goes on whatever happens to it. */
import { redisNodes } from "../../core/engines/redis/layout.ts";
import { redisUnit } from "../../core/engines/redis/paths.ts";
import {
  type Attack,
  type Fault,
  type ServiceFaultContext,
  machineNamed,
  needsTwo,
  serviceFault,
} from "../fault.ts";
import { dropPackets, killForGood, together } from "./damage.ts";

type CacheFault = Pick<Fault, "name" | "holdMs" | "title" | "proves" | "applies"> & {
  readonly prepare: (context: ServiceFaultContext) => Promise<Attack>;
};

const table: readonly CacheFault[] = [
  {
    name: "redis-node-loss",
    holdMs: 5000,
    title: "Redis on one cache host killed for good",
    proves: "losing a cache host costs clients nothing: a replica takes its slots over",
    applies: ({ cache }) => needsTwo(cache?.hosts ?? [], "the cache"),
    prepare: (context) => loseNodes(context, cacheHosts(context).slice(0, 1)),
  },
  {
    name: "redis-cluster-loss",
    holdMs: 5000,
    title: "Redis on every cache host killed for good",
    proves: "the service goes on without its cache: triggers are lost, requests are not",
    applies: () => null,
    prepare: (context) => loseNodes(context, cacheHosts(context)),
  },
  {
    name: "redis-partition",
    holdMs: 5000,
    title: "one cache host cut off from Redis everywhere else",
    proves: "a partition of the cache costs clients nothing, and heals by itself",
    applies: ({ cache }) => needsTwo(cache?.hosts ?? [], "the cache"),
    prepare: (context) => Promise.resolve(partition(context)),
  },
];

export const cacheFaults: readonly Fault[] = table.map((fault) =>
  serviceFault({
    ...fault,
    tier: "cache",
    applies: (topology) =>
      topology.cache === undefined ? "the topology has no cache" : fault.applies(topology),
  }),
);

const cacheHosts = ({ topology }: ServiceFaultContext): string[] => [
  ...new Set(redisNodes(topology).map(({ host }) => host)),
];

const portsOf = ({ topology }: ServiceFaultContext, name: string): number[] =>
  redisNodes(topology)
    .filter(({ host }) => host === name)
    .map(({ port }) => port);

async function loseNodes(context: ServiceFaultContext, names: readonly string[]): Promise<Attack> {
  const attacks = names.map((name) =>
    killForGood(machineNamed(context, name), portsOf(context, name).map(redisUnit)),
  );
  return together(await Promise.all(attacks));
}

/** Its clients' ports and the cluster bus (10000 above), in both directions, on connections of either side. */
function partition(context: ServiceFaultContext): Attack {
  const [name = ""] = cacheHosts(context);
  const ports = redisNodes(context.topology).flatMap(({ port }) => [port, port + 10_000]);
  const matches = [`tcp dport`, `tcp sport`].map((side) => `${side} { ${[...new Set(ports)].join(", ")} }`);
  return dropPackets(machineNamed(context, name), "of Redis to and from other hosts", {
    input: matches.map((match) => `iifname != "lo" ${match}`),
    output: matches.map((match) => `oifname != "lo" ${match}`),
  });
}
