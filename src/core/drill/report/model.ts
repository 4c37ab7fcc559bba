/** What a report shows, as data. Read tolerantly: older runs lack some of it, newer ones have more. */
import type { Topology } from "../../topology/schema.ts";
import type { EngineMark } from "../engine-marks.ts";
import type { RequestRecord } from "../history.ts";
import type { Marks, Objectives } from "../judge.ts";
import type { Interval } from "../outages.ts";

export type ReportVerdict = "pass" | "fail" | "inconclusive" | "not-run";

/** What one run was made with: `run.json` of its folder. */
export interface RunContext {
  /** When the load began, ISO 8601, UTC: zero of the run's clock. */
  readonly startedAt: string;
  /** As typed, to run it again. */
  readonly command: string;
  /** Seed of the faults' order; null when the order was the command's. */
  readonly seed: string | null;
  readonly holdfast: string;
  readonly topology: Topology;
  /** SHA-256 of the topology as parsed, hex. */
  readonly topologyHash: string;
  readonly engines: readonly {
    readonly engine: string;
    readonly version: string;
    readonly hosts: readonly string[];
  }[];
  readonly machine: {
    readonly system: string;
    readonly kernel: string;
    readonly processor: string;
    readonly cores: number;
    /** Bytes. */
    readonly memory: number;
  };
}

/** One injection of one fault, as judged. */
export interface Result {
  readonly fault: string;
  /** "" where an older version did not record it. */
  readonly tier: string;
  readonly title: string;
  readonly target: string;
  readonly verdict: ReportVerdict;
  /** Why the verdict is not pass. */
  readonly reasons: readonly string[];
  readonly proof: string;
  readonly recoveredBy: string;
  readonly longestOutageMs: number;
  /** In which the true length of it lies, given the sampling. */
  readonly outageRangeMs: { readonly low: number; readonly high: number };
  readonly longestOutageMsByClass: Readonly<Record<string, number>>;
  readonly unavailableMs: number;
  readonly requests: number;
  readonly failedRequests: number;
  readonly failedIdempotentRequests: number;
  readonly acknowledgedWrites: number;
  readonly acknowledgedWritesLost: number;
  readonly lostWrites: readonly string[];
  readonly phantomWrites: readonly string[];
  readonly duplicateWrites: readonly string[];
  readonly unverifiedWrites: number;
  readonly samplingMs: number;
  readonly sendLagP99Ms: number;
}

export type FaultMarks = Marks & { readonly objectives: Objectives };

export interface Injection {
  readonly result: Result;
  /** Null when it was not run. */
  readonly marks: FaultMarks | null;
  /** Requests that were under way in its window. */
  readonly records: readonly RequestRecord[];
  readonly engineMarks: readonly EngineMark[];
  /** What the probes and long-lived connections saw in its window. */
  readonly lines: readonly ObservedLine[];
  readonly otherFigures: readonly NamedFigure[];
}

/** Something that is observed all the time: a probe of the address, a long-lived connection. */
export interface ObservedLine {
  readonly name: string;
  /** When it did not answer, or was silent. */
  readonly gaps: readonly Interval[];
  /** When it was cut; null when it was not. */
  readonly cut: number | null;
}

/** A figure of the judgement that has no place of its own here, named as in `verdict.json`. */
export interface NamedFigure {
  readonly name: string;
  readonly value: string;
}

/** All injections of one fault in a run. */
export interface FaultGroup {
  readonly fault: string;
  readonly title: string;
  readonly verdict: ReportVerdict;
  readonly injections: readonly Injection[];
  /** The one that a reader must see: the worst verdict, then the longest outage. */
  readonly worst: Injection;
  /** The one with the longest outage: not always the one with the worst verdict. */
  readonly longest: Injection;
}

/** A fault that exists, whether it was run or not. */
export interface CatalogueEntry {
  readonly fault: string;
  readonly tier: string;
  readonly title: string;
  /** Why the topology cannot have it; null when it can. */
  readonly doesNotApply: string | null;
}

/** One stored run of the topology, for the coverage matrix. */
export interface StoredRun {
  readonly folder: string;
  readonly startedAt: string;
  /** Null when the run did not record it. */
  readonly topologyHash: string | null;
  readonly results: readonly Result[];
}

export interface WriteTime {
  /** When it was due, ms on the run's clock. */
  readonly intended: number;
}

export interface ReportInput {
  readonly topologyName: string;
  /** Name of the run's folder. */
  readonly run: string;
  readonly context: RunContext | null;
  /** Why the run ended early; null when it did not. */
  readonly aborted: string | null;
  readonly rate: { readonly perSecond: number; readonly clients: number };
  readonly injections: readonly Injection[];
  /** When writes that are named in results were due. */
  readonly writeTimes: ReadonlyMap<string, WriteTime>;
  readonly unreadJournals: readonly { readonly host: string; readonly why: string }[];
  readonly catalogue: readonly CatalogueEntry[];
  readonly stored: readonly StoredRun[];
}

/** Which verdict counts when several are one. */
export const severity: Readonly<Record<ReportVerdict, number>> = {
  fail: 3,
  inconclusive: 2,
  pass: 1,
  "not-run": 0,
};

/** Injections by fault, in the order of the run; the verdict of a fault is its worst. */
export function groupByFault(injections: readonly Injection[]): FaultGroup[] {
  return [...Map.groupBy(injections, ({ result }) => result.fault)].flatMap(([fault, all]) => {
    const [worst] = [...all].sort(
      (a, b) =>
        severity[b.result.verdict] - severity[a.result.verdict] ||
        b.result.acknowledgedWritesLost - a.result.acknowledgedWritesLost ||
        b.result.longestOutageMs - a.result.longestOutageMs,
    );
    const [longest] = [...all].sort((a, b) => b.result.longestOutageMs - a.result.longestOutageMs);
    if (worst === undefined || longest === undefined) return [];
    const { title, verdict } = worst.result;
    return [{ fault, title, verdict, injections: all, worst, longest }];
  });
}
