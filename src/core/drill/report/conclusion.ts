/** A run in one sentence. */
import type { FaultGroup } from "./model.ts";
import { outageText, plural, thousands } from "./words.ts";

export interface Totals {
  readonly acknowledged: number;
  readonly lost: number;
  readonly unverified: number;
  readonly requests: number;
  readonly failed: number;
}

export function totalsOf(groups: readonly FaultGroup[]): Totals {
  const totals = { acknowledged: 0, lost: 0, unverified: 0, requests: 0, failed: 0 };
  for (const { result } of groups.flatMap(({ injections }) => injections)) {
    totals.acknowledged += result.acknowledgedWrites;
    totals.lost += result.acknowledgedWritesLost;
    totals.unverified += result.unverifiedWrites;
    totals.requests += result.requests;
    totals.failed += result.failedRequests;
  }
  return totals;
}

/** The group with the longest outage; undefined when nothing was run. */
export const worstOutage = (groups: readonly FaultGroup[]): FaultGroup | undefined =>
  groups
    .filter(({ verdict }) => verdict !== "not-run")
    .sort((a, b) => b.longest.result.longestOutageMs - a.longest.result.longestOutageMs)[0];

export function conclusion(groups: readonly FaultGroup[], aborted: string | null): string {
  const ran = groups.filter(({ verdict }) => verdict !== "not-run");
  const of = (verdict: string): FaultGroup[] => ran.filter((group) => group.verdict === verdict);
  const [passed, failed, unclear] = [of("pass"), of("fail"), of("inconclusive")];
  if (ran.length === 0) return `No fault was run, so nothing is known.${end(aborted)}`;
  const parts: string[] = [];
  if (failed.length > 0) {
    parts.push(
      `The topology missed its objectives in ${failed.length} of ${plural(ran.length, "fault")}: ${names(failed)}`,
    );
  } else if (unclear.length === 0) {
    parts.push(
      ran.length === 1
        ? `The topology met its objectives in the one fault that was run`
        : `The topology met its objectives in all ${ran.length} faults that were run`,
    );
  } else {
    parts.push(`No objective was missed, and ${passed.length} of ${plural(ran.length, "fault")} passed`);
  }
  if (unclear.length > 0)
    parts.push(`${unclear.length} ${unclear.length === 1 ? "is" : "are"} inconclusive: ${names(unclear)}`);
  return `${parts.join("; ")}. ${outageSentence(ran)} ${writesSentence(totalsOf(ran))}${end(aborted)}`;
}

const end = (aborted: string | null): string => (aborted === null ? "" : ` The run ended early: ${aborted}.`);

function outageSentence(groups: readonly FaultGroup[]): string {
  const worst = worstOutage(groups);
  if (worst === undefined) return "";
  const { result } = worst.longest;
  if (result.longestOutageMs === 0) return "Clients saw no outage.";
  return `The longest outage that clients saw was ${outageText(result)} (${worst.fault}).`;
}

function writesSentence({ acknowledged, lost, unverified }: Totals): string {
  if (acknowledged === 0) return "No write was acknowledged.";
  if (lost > 0)
    return `${plural(lost, "acknowledged write")} of ${thousands(acknowledged)} ${lost === 1 ? "is" : "are"} lost.`;
  if (unverified > 0)
    return `${plural(unverified, "acknowledged write")} of ${thousands(acknowledged)} could not be read back; of the others none is lost.`;
  return `None of ${plural(acknowledged, "acknowledged write")} is lost.`;
}

const MAX_NAMES = 5;

function names(groups: readonly FaultGroup[]): string {
  const shown = groups.slice(0, MAX_NAMES).map(({ fault }) => fault);
  const more = groups.length - shown.length;
  return shown.join(", ") + (more > 0 ? ` and ${more} more` : "");
}
