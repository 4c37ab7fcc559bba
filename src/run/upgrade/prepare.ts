/** An upgrade as an operator asks for it: checked before anything is touched, then carried out. */
import { dirname, join } from "node:path";
import type { ServiceTopology } from "../../core/topology/schema.ts";
import type { Strategy } from "../../core/upgrade/actions.ts";
import { chooseStrategy } from "../../core/upgrade/package.ts";
import { beginUpgrade, type ReleaseAt, type UpgradeRecord } from "../../core/upgrade/record.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Host, Reporter } from "../../ports.ts";
import { entryHosts } from "../drain.ts";
import { loadState, stateDirectory, type TopologyState } from "../state.ts";
import { operateUpgrade, type UpgradeResult } from "./operate.ts";
import { readPackage } from "./package.ts";
import type { UpgradeTimings } from "./perform.ts";
import { checkStart } from "./preflight.ts";
import { loadRecord, unfinished } from "./record.ts";
import { responseMsOf } from "./watch.ts";

/** A service that is up, and what Holdfast runs with. The caller holds the topology's lock. */
export interface UpgradeSite {
  readonly topology: ServiceTopology;
  /** The topology file. */
  readonly file: string;
  readonly hosts: ReadonlyMap<string, Host>;
  /** As of a command: where Holdfast is installed, its state directory, the operator's folder. */
  readonly root: string;
  readonly home: string;
  readonly cwd: string;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}

/**
 * Checks a package and the service. Changes nothing.
 * @returns the record of an upgrade that has yet to begin; null when the topology's package is that one
 * @throws HoldfastError when it cannot be upgraded so, or another upgrade is unfinished
 */
export async function prepareUpgrade(
  site: UpgradeSite,
  archive: string,
  asked: { readonly strategy: Strategy | undefined; readonly noRollback: boolean },
): Promise<UpgradeRecord | null> {
  const { topology, hosts, file, cwd } = site;
  if (dirname(file) === join(site.root, "blueprints")) {
    throw new HoldfastError("an upgrade changes the topology file, and a blueprint is everybody's", {
      fix: `write your own first: holdfast init ${topology.name}`,
    });
  }
  const { app } = topology;
  const before = await loadRecord(stateDirectory(site.home, topology.name));
  if (before !== null) throw unfinished(before);
  const from = await readPackage(app.package, app.name, dirname(file));
  const to = await readPackage(archive, app.name, cwd);
  if (from.at.sha256 === to.at.sha256) return null;
  if (from.at.version === to.at.version) {
    throw new HoldfastError(`the topology's package is ${to.at.version} too, with other content`, {
      fix: "give the new package a version of its own: both releases are kept side by side",
    });
  }
  const choice = chooseStrategy(to.release, {
    ...asked,
    from: from.at.version,
    hosts: app.hosts.length,
    asked: asked.strategy,
  });
  if ("refused" in choice) throw new HoldfastError(choice.refused, { fix: choice.fix });
  await checkStart(topology, hosts, await stateWith(site, from.at), choice.strategy);
  return beginUpgrade({
    ...choice,
    hosts: [...app.hosts],
    from: from.at,
    to: to.at,
    startedAt: Date.now(),
    responseMs: await responseMsOf(entryHosts(topology, hosts)),
  });
}

/**
 * Does what is left of an upgrade.
 * @throws HoldfastError when it stopped before its end; `--resume` goes on then
 */
export async function carryOut(
  site: UpgradeSite,
  record: UpgradeRecord,
  timings: UpgradeTimings,
): Promise<UpgradeResult> {
  const states = new Map<string, TopologyState>();
  for (const release of [record.from, record.to]) states.set(release.version, await stateWith(site, release));
  return operateUpgrade(record, stateDirectory(site.home, site.topology.name), { ...site, states, timings });
}

/** What the hosts should be with that package. @throws HoldfastError when it is not the one that it was */
async function stateWith(
  { topology, file, root, home }: UpgradeSite,
  release: ReleaseAt,
): Promise<TopologyState> {
  const app = { ...topology.app, package: release.package };
  const state = await loadState({ ...topology, app }, file, root, home);
  if (state.artifacts.app?.sha256 === release.sha256) return state;
  throw new HoldfastError(`${release.package} is not the package that the upgrade began with`, {
    fix: `put the one with sha256 ${release.sha256} back there, and run it again`,
  });
}
