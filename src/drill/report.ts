/** A run's folder as a report: reads what the run left, and what earlier runs left beside it. */
import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseHistory, parseReadBack, type ReadBack } from "../core/drill/history.ts";
import { split } from "../core/drill/report/bins.ts";
import { renderReport } from "../core/drill/report/document.ts";
import type {
  CatalogueEntry,
  Injection,
  ReportInput,
  RunContext,
  StoredRun,
} from "../core/drill/report/model.ts";
import { observedLines } from "../core/drill/report/observed.ts";
import { otherFigures, readResult } from "../core/drill/report/read.ts";
import type { Topology } from "../core/topology/schema.ts";
import { readIfExists, writeFileAtomic } from "../lib/atomic.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type CollectedMarks, marksFile } from "./collect-marks.ts";
import { faults } from "./faults/registry.ts";
import { type DrillRecord, filesIn } from "./folder.ts";
import { contextFile } from "./run-context.ts";

export const reportFile = (folder: string): string => join(folder, "report.html");

/**
 * Writes `report.html` into a run's folder.
 * @param results as just judged; default: those in its verdict.json
 * @returns the path of the file
 * @throws HoldfastError when the folder holds no run
 */
export async function writeReport(folder: string, results?: readonly unknown[]): Promise<string> {
  const path = reportFile(folder);
  await writeFileAtomic(path, renderReport(await readReport(folder, results)));
  return path;
}

/** Everything that a report shows, from a run's folder and those beside it. @throws HoldfastError when it holds no run */
export async function readReport(folder: string, judged?: readonly unknown[]): Promise<ReportInput> {
  const files = filesIn(folder);
  const record = (await readJson(files.marks)) as DrillRecord;
  const results = judged ?? ((await readJson(files.verdict)) as { faults: unknown[] }).faults;
  const context = (await readJsonIfExists(contextFile(folder))) as RunContext | null;
  const collected = await readLines<CollectedMarks>(marksFile(folder));
  const readBack = parseReadBack((await readIfExists(files.readBack)) ?? "");
  const injections = await readInjections(folder, record, results, collected);
  return {
    topologyName: record.topology,
    run: basename(folder),
    context,
    aborted: record.aborted,
    rate: record.rate,
    injections,
    writeTimes: timesOf(injections, readBack),
    unreadJournals: collected.flatMap(({ unread }) => unread),
    catalogue: catalogue(context?.topology ?? null),
    stored: await storedRuns(dirname(folder)),
  };
}

async function readInjections(
  folder: string,
  record: DrillRecord,
  results: readonly unknown[],
  collected: readonly CollectedMarks[],
): Promise<Injection[]> {
  const windows = record.faults.map(({ baseline, end }) => ({ from: baseline, to: end }));
  const records = split(parseHistory((await readIfExists(filesIn(folder).history)) ?? ""), windows);
  const observations = await readLines<unknown>(join(folder, "observations.jsonl"));
  const engineMarks = collected.flatMap(({ marks }) => marks).sort((a, b) => a.at - b.at);
  let next = 0; // both lists are in the order of the run; what was not run has no marks
  return results.flatMap((value): Injection[] => {
    const result = readResult(value);
    if (result === null) return [];
    const common = { result, otherFigures: otherFigures(value) };
    const marks = record.faults[next];
    const window = windows[next];
    if (
      marks === undefined ||
      window === undefined ||
      marks.fault !== result.fault ||
      result.verdict === "not-run"
    ) {
      return [{ ...common, marks: null, records: [], engineMarks: [], lines: [] }];
    }
    const own = records[next] ?? [];
    next += 1;
    return [
      {
        ...common,
        marks,
        records: own,
        engineMarks: engineMarks.filter(({ at }) => at >= marks.inject && at <= marks.end),
        lines: observedLines(observations, window),
      },
    ];
  });
}

/** When the writes that results name were due. */
function timesOf(injections: readonly Injection[], readBack: readonly ReadBack[]): ReportInput["writeTimes"] {
  const named = new Set(
    injections.flatMap(({ result }) => [
      ...result.lostWrites,
      ...result.duplicateWrites,
      ...result.phantomWrites,
    ]),
  );
  return new Map(readBack.filter(({ id }) => named.has(id)).map(({ id, intended }) => [id, { intended }]));
}

const catalogue = (topology: Topology | null): CatalogueEntry[] =>
  faults.map((fault) => ({
    fault: fault.name,
    tier: fault.tier,
    title: fault.title,
    doesNotApply: topology === null ? null : fault.applies(topology),
  }));

/** The results of every run in the folder of a topology's drills; a run without a verdict is none. */
async function storedRuns(drills: string): Promise<StoredRun[]> {
  const entries = await readdir(drills, { withFileTypes: true });
  const runs = await Promise.all(
    entries.filter((entry) => entry.isDirectory()).map((entry) => storedRun(join(drills, entry.name))),
  );
  return runs.flatMap((run) => run ?? []).sort((a, b) => a.startedAt.localeCompare(b.startedAt));
}

async function storedRun(folder: string): Promise<StoredRun | null> {
  const verdict = await readJsonIfExists(filesIn(folder).verdict).catch(() => null);
  const results = (verdict as { faults?: unknown } | null)?.faults;
  if (!Array.isArray(results)) return null;
  const context = (await readJsonIfExists(contextFile(folder)).catch(() => null)) as RunContext | null;
  const startedAt = context?.startedAt ?? timeInName(basename(folder));
  if (startedAt === null) return null;
  return {
    folder: basename(folder),
    startedAt,
    topologyHash: context?.topologyHash ?? null,
    results: results.flatMap((result) => readResult(result) ?? []),
  };
}

/** "2026-11-20T091930Z-app-kill" -> "2026-11-20T09:19:30Z" */
function timeInName(name: string): string | null {
  const match = /^(\d{4}-\d\d-\d\dT)(\d\d)(\d\d)(\d\d)Z/.exec(name);
  return match === null ? null : `${match[1]}${match[2]}:${match[3]}:${match[4]}Z`;
}

async function readJson(path: string): Promise<unknown> {
  const value = await readJsonIfExists(path);
  if (value === null)
    throw new HoldfastError(`${dirname(path)} does not hold a finished drill: there is no ${basename(path)}`);
  return value;
}

/** @throws HoldfastError when the file is damaged */
async function readJsonIfExists(path: string): Promise<unknown> {
  const text = await readIfExists(path);
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new HoldfastError(`${path} is damaged: ${(cause as Error).message}`, { cause });
  }
}

/** Whole lines only: a writer that was killed may have left half of one. */
async function readLines<T>(path: string): Promise<T[]> {
  const text = await readIfExists(path);
  return (text ?? "")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as T);
}
