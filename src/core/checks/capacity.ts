/** Rules: enough memory for what runs on each host, and for what moves there when another is lost. */
import type { Topology } from "../topology/schema.ts";
import { connectionMemory, memoryNeeds } from "./memory.ts";
import { type Finding, type Rule, serviceRule } from "./rule.ts";
import { bytes } from "./tiers.ts";

/** Beyond this share of a host's memory nothing is left for the page cache and for peaks. */
const TIGHT = 0.85;
const STEP = 128 * 1024 ** 2;

export const capacityRules: readonly Rule[] = [
  {
    code: "HF191",
    title: "Enough memory for the engines of each host",
    severity: "error",
    why: "A host that runs out of memory loses a process at random, most often the largest: PostgreSQL. The figures per engine are in the source, src/core/checks/memory.ts, each with its origin.",
    fix: "Give the host more memory, or move an engine elsewhere, or lower `database.maxConnections` or `cache.maxMemory`.",
    check: (topology) =>
      hostNeeds(topology)
        .filter(({ memory, total }) => total > memory)
        .map(({ path, memory, total, list, fix }) => ({
          path,
          found: `${bytes(memory)}, but its engines need ${bytes(total)} (${list})`,
          fix,
        })),
  },
  serviceRule({
    code: "HF192",
    title: "Database connections that fit the memory",
    severity: "warning",
    why: "Each busy connection takes about 8 MiB. When all are open they should leave half of the memory to PostgreSQL's buffers and the page cache.",
    fix: "Lower `database.maxConnections` (a pool in the app needs few), or give the hosts more memory.",
    check: (topology) => {
      const memory = Math.min(
        ...topology.database.hosts.map((host) => topology.hosts[host]?.memory ?? Infinity),
      );
      const needed = connectionMemory(topology);
      if (needed <= memory / 2) return [];
      const { maxConnections } = topology.database;
      const found = `${maxConnections} busy connections take ${bytes(needed)} of ${bytes(memory)}`;
      const most = Math.floor((maxConnections * memory) / 2 / needed);
      return [{ path: ["database", "maxConnections"], found, fix: `at most ${most}, or more memory` }];
    },
  }),
  {
    code: "HF193",
    title: "Hosts that can stand in for each other",
    severity: "warning",
    why: "After a failover the smaller host carries what the larger one did.",
    fix: "Give the hosts of a tier the same memory.",
    check: (topology) =>
      (["entry", "app", "database"] as const).flatMap((tier) => {
        const sizes = (topology[tier]?.hosts ?? []).map((host) => topology.hosts[host]?.memory ?? 0);
        const least = Math.min(...sizes);
        const most = Math.max(...sizes);
        if (least >= most * 0.75) return [];
        const found = `memory from ${bytes(least)} to ${bytes(most)}: the smaller must carry the larger one's load after a failover`;
        return [{ path: [tier, "hosts"], found, fix: "give them the same memory" }];
      }),
  },
  {
    code: "HF194",
    title: "Enough memory for the lab on this machine",
    severity: "warning",
    why: "Lab machines share this machine's memory: beyond it the kernel ends processes, and drills measure that.",
    fix: "Use a larger machine, or fewer hosts.",
    check: (topology, { machine }) => {
      if (machine?.memory === undefined || topology.provider.kind !== "lab") return [];
      // What all lab machines take when they are busy at the same time, not their limits.
      const total = Object.keys(topology.hosts)
        .flatMap((host) => memoryNeeds(topology, host))
        .reduce((sum, { size }) => sum + size, 0);
      if (total <= machine.memory) return [];
      const found = `the lab's machines may need ${bytes(total)}, this machine has ${bytes(machine.memory)}`;
      return [{ path: ["provider"], found, fix: "use a larger machine, or fewer hosts" }];
    },
  },
  serviceRule({
    code: "HF195",
    title: "PostgreSQL version that the hosts' distribution has",
    severity: "error",
    why: "The lab's machines are Debian 12, whose packages are PostgreSQL 15.",
    fix: "Use `database.version: 15`.",
    check: ({ database, provider }) =>
      provider.kind === "lab" && database.version !== 15
        ? [
            {
              path: ["database", "version"],
              found: `the lab has no packages of PostgreSQL ${database.version}`,
              fix: "use 15",
            },
          ]
        : [],
  }),
  {
    code: "HF196",
    title: "Memory to spare on each host",
    severity: "warning",
    why: "Beyond 85 % nothing is left for the page cache and for peaks.",
    fix: "Give the host more memory, or move an engine elsewhere.",
    check: (topology) =>
      hostNeeds(topology)
        .filter(({ memory, total }) => total <= memory && total > memory * TIGHT)
        .map(({ path, memory, total, list, fix }) => ({
          path,
          found: `${bytes(memory)} is tight: its engines need ${bytes(total)} (${list})`,
          fix,
        })),
  },
];

function hostNeeds(
  topology: Topology,
): (Pick<Finding, "path" | "fix"> & { memory: number; total: number; list: string })[] {
  return Object.entries(topology.hosts).map(([host, { memory }]) => {
    const needs = memoryNeeds(topology, host);
    const total = needs.reduce((sum, { size }) => sum + size, 0);
    const list = needs.map(({ what, size }) => `${what} ${bytes(size)}`).join(", ");
    // Rounded up to steps in which memory is given.
    const enough = Math.ceil(total / TIGHT / STEP) * STEP;
    return {
      path: ["hosts", host, "memory"],
      memory,
      total,
      list,
      fix: `at least ${bytes(enough)}, or fewer engines here`,
    };
  });
}
