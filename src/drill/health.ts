/** Full redundancy of the whole service, as `holdfast status` judges it: before every fault and after it. */
import type { Topology } from "../core/topology/schema.ts";
import { observeHaproxy } from "../engines/haproxy.ts";
import { inBackground } from "../engines/observed.ts";
import { isService } from "../core/topology/schema.ts";
import { judgeService } from "../run/status/judge.ts";
import { observeService, type ServiceStatus } from "../run/status/observe.ts";
import { type FaultContext, machinesNamed, ofService } from "./fault.ts";
import { isSynchronous } from "./faults/patroni.ts";

/**
 * Null, or what the service lacks of full redundancy, as it is set up: that it is not set up for what the
 * topology promises is no lack that waiting mends, but `brokenPromise`'s to find and the verdict's to judge.
 */
export async function serviceHealth(context: FaultContext): Promise<string | null> {
  const { topology } = context;
  const hosts = new Map(context.machines.map((machine) => [machine.name, inBackground(machine)]));
  const seen = await observeService(topology, hosts);
  let risks = risksIn(seen, topology);
  if (risks.length > 0 && (await brokenPromise(context)) !== null)
    risks = risksIn(seen, asynchronous(topology));
  return risks.length > 0 ? risks.join("; ") : missingFromPool(context);
}

/** Null, or what the topology promises and the service is not set up for. */
export async function brokenPromise(context: FaultContext): Promise<string | null> {
  const { topology } = context;
  if (!isService(topology) || topology.objectives.database.dataLoss !== "none") return null;
  return (await isSynchronous(ofService(context))) === false
    ? "the topology promises dataLoss none and replication is asynchronous"
    : null;
}

const risksIn = (seen: ServiceStatus, topology: Topology): string[] =>
  judgeService(seen, topology).tiers.flatMap((tier) => tier.risks);

function asynchronous(topology: Topology): Topology {
  const { objectives } = topology;
  if (objectives.database === undefined) return topology;
  const database = { ...objectives.database, dataLoss: "bounded" as const };
  return { ...topology, objectives: { ...objectives, database } };
}

/** Null, or which app host an entry host would not send clients to: `status` asks only the one in use. */
async function missingFromPool(context: FaultContext): Promise<string | null> {
  if (!isService(context.topology)) return null;
  for (const entry of machinesNamed(context, context.topology.entry.hosts)) {
    const servers = await observeHaproxy(inBackground(entry));
    if (servers === null) return `HAProxy on ${entry.name} does not answer`;
    const out = servers.find(({ backend, status }) => backend === "app" && status !== "UP");
    if (out !== undefined)
      return `HAProxy on ${entry.name} has ${out.server} as ${out.status} (${out.check})`;
  }
  return null;
}
