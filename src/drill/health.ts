/** Full redundancy of the whole service, as `holdfast status` judges it: before every fault and after it. */
import { observeHaproxy } from "../engines/haproxy.ts";
import type { Host } from "../ports.ts";
import { judgeService } from "../run/status/judge.ts";
import { observeService } from "../run/status/observe.ts";
import { type FaultContext, machinesNamed } from "./fault.ts";

/** Null, or what the service lacks of full redundancy. */
export async function serviceHealth(context: FaultContext): Promise<string | null> {
  const hosts = new Map(context.machines.map((machine) => [machine.name, inBackground(machine)]));
  const { tiers } = judgeService(await observeService(context.topology, hosts), context.topology);
  const risks = tiers.flatMap((tier) => tier.risks);
  return risks.length > 0 ? risks.join("; ") : missingFromPool(context);
}

/** Null, or which app host an entry host would not send clients to: `status` asks only the one in use. */
async function missingFromPool(context: FaultContext): Promise<string | null> {
  for (const entry of machinesNamed(context, context.topology.entry.hosts)) {
    const servers = await observeHaproxy(inBackground(entry));
    if (servers === null) return `HAProxy on ${entry.name} does not answer`;
    const out = servers.find(({ backend, status }) => backend === "app" && status !== "UP");
    if (out !== undefined)
      return `HAProxy on ${entry.name} has ${out.server} as ${out.status} (${out.check})`;
  }
  return null;
}

/** The load is measured meanwhile. */
const inBackground = (host: Host): Host => ({
  name: host.name,
  address: host.address,
  run: (argv, options) => host.run(argv, { ...options, background: true }),
});
