/** What must hold before an upgrade begins: it starts from a known place, and from a service that can spare a host. */
import type { Step } from "../../core/plan/steps.ts";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import type { Strategy } from "../../core/upgrade/actions.ts";
import { inBackground } from "../../engines/observed.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Host } from "../../ports.ts";
import { observeAll, planAll } from "../converge.ts";
import { entryHosts, poolOf } from "../drain.ts";
import type { TopologyState } from "../state.ts";

/** @throws HoldfastError when a host cannot be reached, differs from the topology, or does not serve */
export async function checkStart(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  state: TopologyState,
  strategy: Strategy,
): Promise<void> {
  // All hosts at once, under the clients' load: it must not cost an entry host the time for its next VRRP advert.
  const quietly = new Map([...hosts].map(([name, host]) => [name, inBackground(host)]));
  const observed = await observeAll(state, quietly);
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
  await checkPool(topology, hosts, strategy);
}

const startsApp = (step: Step, { app }: ServiceTopology): boolean =>
  step.kind === "unit" && step.name === app.unit && (step.action === "start" || step.action === "restart");

async function checkPool(
  topology: ServiceTopology,
  hosts: ReadonlyMap<string, Host>,
  strategy: Strategy,
): Promise<void> {
  const entries = entryHosts(topology, hosts);
  const seen = await Promise.all(
    entries.map(async (entry) => {
      const pool = await poolOf(entry);
      return topology.app.hosts.map((host) => {
        const status = pool.find(({ server }) => server === host)?.status ?? "unknown";
        return { host, status, what: `${entry.name} has ${host} ${status}` };
      });
    }),
  );
  const told = (which: (status: string) => boolean): string =>
    seen
      .flat()
      .filter(({ status }) => which(status))
      .map(({ what }) => what)
      .join("; ");
  const out = told((status) => status === "MAINT");
  if (out !== "") {
    throw new HoldfastError(`an upgrade would put hosts into the pool that were taken out of it: ${out}`, {
      fix: "put them back first: `holdfast drain HOST --undo`; a pool with spares cannot be upgraded yet",
    });
  }
  const down = strategy === "rolling" ? told((status) => status !== "UP") : "";
  if (down !== "") {
    throw new HoldfastError(`a rolling upgrade needs every app host in the pool: ${down}`, {
      fix: "bring them back first: holdfast status; or use --strategy limited-downtime",
    });
  }
}
