/** An upgrade from its record to its end, with the journal and the measured downtime around it. */
import { type Action, describeAction } from "../../core/upgrade/actions.ts";
import { downtimeMs, type Probe } from "../../core/upgrade/downtime.ts";
import { knownDowntime, type UpgradeRecord } from "../../core/upgrade/record.ts";
import { entryHosts } from "../drain.ts";
import { openJournal } from "../journal.ts";
import { performAction, type UpgradeTools } from "./perform.ts";
import { probeService, type ServiceProbe } from "./probe.ts";
import { removeRecord, saveRecord } from "./record.ts";
import { type Learn, runUpgrade } from "./run.ts";

export interface UpgradeResult {
  readonly outcome: "upgraded" | "rolled-back";
  readonly from: string;
  readonly to: string;
  /** Why it was rolled back; null when it was not. */
  readonly why: string | null;
  /** Sessions that did not end while their host was drained. */
  readonly cut: number;
  /** Without service, ms, as probes through the entry saw it; null where the strategy stops nobody. */
  readonly downtimeMs: number | null;
  /** From the first action to the end, ms. */
  readonly tookMs: number;
}

/**
 * Does what is left of an upgrade, and removes its record when all is done.
 * @param directory the topology's state directory
 * @throws HoldfastError when it stopped before its end: the record stays
 */
export async function operateUpgrade(
  record: UpgradeRecord,
  directory: string,
  tools: UpgradeTools,
): Promise<UpgradeResult> {
  const journal = openJournal(directory, "upgrade");
  let probe: ServiceProbe | undefined;
  const startProbe = (known: readonly Probe[]): void => {
    const [entry] = entryHosts(tools.topology, tools.hosts);
    if (probe === undefined && entry !== undefined) probe = probeService(entry, tools.topology, known);
  };
  const perform = async (action: Action, at: UpgradeRecord, learn: Learn): Promise<string | undefined> => {
    const step = `${at.direction}: ${describeAction(action)}`;
    await journal.write({ step, event: "start" });
    if (action.kind === "stop") startProbe([]);
    const remark = await performAction(tools, action, at, learn);
    await journal.write({ step, event: "done", ...(remark === undefined ? {} : { remark }) });
    return remark;
  };
  try {
    if (record.stoppedAt !== null) startProbe(knownDowntime(record));
    const { reporter, signal } = tools;
    const save = (changed: UpgradeRecord): Promise<void> => saveRecord(directory, changed);
    const end = await runUpgrade(record, { perform, save, reporter, signal });
    const probes = await probe?.stop();
    await removeRecord(directory);
    return {
      outcome: end.direction === "forward" ? "upgraded" : "rolled-back",
      from: end.from.version,
      to: end.to.version,
      why: end.why,
      cut: end.cut,
      downtimeMs: probes === undefined ? null : downtimeMs(probes),
      tookMs: Date.now() - end.startedAt,
    };
  } finally {
    await probe?.stop();
  }
}
