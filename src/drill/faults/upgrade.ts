/** No fault, but as disturbing as one: what an upgrade of the app costs its clients. */
import { observeApp } from "../../engines/app.ts";
import type { UpgradeResult } from "../../run/upgrade/operate.ts";
import { type Attack, type Fault, machinesNamed, needsTwo, type Proof, serviceFault } from "../fault.ts";
import type { ServiceFaultContext } from "../fault.ts";

export const upgradeFaults: readonly Fault[] = [
  serviceFault({
    name: "app-upgrade",
    tier: "app",
    title: "a rolling upgrade of the app to the package of `--package`",
    proves: "an upgrade, or its rollback when the new release fails, costs no GET",
    applies: ({ app }) => needsTwo(app.hosts, "the app"),
    capability: ({ upgrade }) =>
      Promise.resolve(upgrade === null ? "there is no package to upgrade to: name one with --package" : null),
    prepare: (context) => Promise.resolve(upgradeOf(context)),
  }),
];

function upgradeOf(context: ServiceFaultContext): Attack {
  const hosts = machinesNamed(context, context.topology.app.hosts);
  let result: UpgradeResult | undefined;
  return {
    target: hosts.map(({ name }) => name).join(", "),
    healing: null,
    async inject() {
      result = await context.upgrade?.();
    },
    async prove(): Promise<Proof> {
      if (result === undefined) return { tookEffect: false, proof: "nothing was upgraded" };
      const { outcome, from, to, why } = result;
      const wanted = outcome === "upgraded" ? to : from;
      const seen = await Promise.all(hosts.map((host) => observeApp(host, context.topology)));
      const versions = seen.map((app) => (app.reachable ? app.version : null));
      const proof = `every app host runs ${wanted}${why === null ? "" : `: ${to} was rolled back: ${why}`}`;
      return versions.every((version) => version === wanted)
        ? { tookEffect: true, proof }
        : { tookEffect: false, proof: `the app hosts run ${versions.join(", ")}, not ${wanted}` };
    },
    heal: () => Promise.resolve(),
  };
}
