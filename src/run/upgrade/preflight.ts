/** What must hold before an upgrade begins: it starts from a known place, and from a service that can spare a host. */
import type { Step } from "../../core/plan/steps.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import type { Strategy } from "../../core/upgrade/actions.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Host } from "../../ports.ts";
import { observeAll, planAll } from "../converge.ts";
import { entryHosts, isUp, poolOf } from "../drain.ts";
import type { TopologyState } from "../state.ts";

/** @throws HoldfastError when a host cannot be reached, differs from the topology, or does not serve */
export async function checkStart(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  state: TopologyState,
  strategy: Strategy,
): Promise<void> {
  const observed = await observeAll(state, hosts);
  const lost = observed.filter((host) => !host.reachable);
  if (lost.length > 0) {
    throw new HoldfastError(
      lost.map((host) => `host ${host.host} cannot be reached: ${host.why}`).join("\n"),
      { fix: "bring it back first: holdfast status" },
    );
  }
  const { steps } = planAll(state, observed);
  // A release that does not run must not keep the next one out.
  const inTheWay = steps.filter((step) => strategy === "rolling" || !startsApp(step, topology));
  const [first] = inTheWay;
  if (first !== undefined) {
    throw new HoldfastError(
      `the hosts are not what the topology says: ${inTheWay.length} steps, the first on ${first.host}: ${first.summary}`,
      { fix: "look at `holdfast plan`, and run `holdfast up` first" },
    );
  }
  if (strategy === "rolling") await checkPool(topology, hosts);
}

const startsApp = (step: Step, { app }: ServiceTopology): boolean =>
  step.kind === "unit" && step.name === app.unit && (step.action === "start" || step.action === "restart");

async function checkPool(topology: ServiceTopology, hosts: ReadonlyMap<string, Host>): Promise<void> {
  const entries = entryHosts(topology, hosts);
  const pools = await Promise.all(entries.map(async (entry) => ({ entry, pool: await poolOf(entry) })));
  const away = pools.flatMap(({ entry, pool }) =>
    topology.app.hosts
      .filter((host) => !isUp(pool, host))
      .map((host) => `${entry.name} does not have ${host} up`),
  );
  if (away.length === 0) return;
  throw new HoldfastError(`a rolling upgrade needs every app host in the pool: ${away.join("; ")}`, {
    fix: "bring it back first: holdfast status; or use --strategy limited-downtime",
  });
}
