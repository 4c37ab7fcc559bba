/** Renewal of the entry's certificate, as `up` does it, and nothing else of what `up` might do. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { haproxyFiles } from "../core/engines/haproxy/paths.ts";
import { nginxEntryFiles } from "../core/engines/nginx/paths.ts";
import type { Step } from "../core/plan/steps.ts";
import type { Topology } from "../core/topology/schema.ts";
import { proxyUnit } from "../engines/entry.ts";
import { observeAll, planAll, type ConvergeContext } from "./converge.ts";
import { openJournal } from "./journal.ts";
import { perform } from "./perform.ts";
import { loadState, stateDirectory } from "./state.ts";

export interface RenewContext extends Omit<ConvergeContext, "state" | "beforeStep"> {
  readonly topology: Topology;
  /** The topology file. */
  readonly file: string;
  readonly root: string;
  readonly home: string;
}

/**
 * Issues a new certificate for the entry and puts it to use on every entry host.
 * @throws HoldfastError when a host cannot be reached or the proxy refuses it: the old one goes on serving then
 */
export async function renewEntryCertificate(context: RenewContext): Promise<void> {
  const { topology, file, root, home, hosts, reporter, signal } = context;
  // What is missing is issued anew: the same path as for one that is about to expire.
  await rm(join(stateDirectory(home, topology.name), "pki/entry.crt"), { force: true });
  const state = await loadState(topology, file, root, home);
  const entries = new Set(topology.entry.hosts);
  const desired = new Map([...state.desired].filter(([name]) => entries.has(name)));
  const narrowed = { ...state, desired };
  const { steps } = planAll(narrowed, await observeAll(narrowed, hosts));
  await perform(
    { steps: steps.filter((step) => isRenewal(step, topology)) },
    {
      hosts,
      desired,
      artifacts: state.artifacts,
      journal: openJournal(state.directory, "renew"),
      reporter,
      signal,
    },
  );
}

const isRenewal = (step: Step, topology: Topology): boolean =>
  (step.kind === "file" && entryFiles.has(step.path)) ||
  (step.kind === "unit" && step.name === proxyUnit(topology));

/** What clients see, where either engine reads it. */
const entryFiles: ReadonlySet<string> = new Set([
  haproxyFiles.entryPair,
  nginxEntryFiles.certificate,
  nginxEntryFiles.key,
]);
