/** A drill's folder: the raw history, the marks and the verdict, kept so that it can be judged again. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseHistory, parseReadBack } from "../core/drill/history.ts";
import { parseObservations } from "../core/drill/observations.ts";
import { type Evidence, type FaultResult, judge, type Marks } from "../core/drill/judge.ts";
import { settled } from "../core/drill/readback.ts";
import { type Rate, spacingMs } from "../core/drill/schedule.ts";
import type { DrillSummary } from "../core/drill/summary.ts";
import { writeFileAtomic } from "../lib/atomic.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { NotRun, Ran } from "./series.ts";

/** marks.json: all that judging needs besides the history. */
export interface DrillRecord {
  readonly topology: string;
  readonly rate: Rate;
  /** Of the faults' order; null when that was the command's. */
  readonly seed: number | null;
  /** How often each fault was to be injected. */
  readonly repeat: number;
  readonly aborted: string | null;
  readonly faults: readonly Ran[];
  readonly notRun: readonly NotRun[];
}

export const filesIn = (folder: string) => ({
  history: join(folder, "history.jsonl"),
  readBack: join(folder, "readback.jsonl"),
  observations: join(folder, "observations.jsonl"),
  marks: join(folder, "marks.json"),
  verdict: join(folder, "verdict.json"),
});

/** @throws HoldfastError when the folder exists: one folder holds one run */
export async function createFolder(folder: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (made === undefined) throw new HoldfastError(`the drill's folder ${folder} exists already`);
}

/** `<timestamp>-<fault>-<fault>`, sortable by time. */
export const folderName = (time: Date, faults: readonly string[]): string =>
  `${time.toISOString().replaceAll(":", "").slice(0, 17)}Z-${faults.join("-")}`.slice(0, 200);

export const writeRecord = (folder: string, record: DrillRecord): Promise<void> =>
  writeFileAtomic(filesIn(folder).marks, `${JSON.stringify(record, null, 2)}\n`);

export type Judged = FaultResult & Pick<Ran, "tier" | "repeat" | "objectives">;

/** The summary of a run, with what the faults' own judgement does not know. */
export interface RunSummary extends DrillSummary {
  readonly faults: readonly Judged[];
  readonly notRun: readonly NotRun[];
  readonly seed: number | null;
}

/** As scripts read it: faults that were not run stand with the others, told apart by their verdict. */
export const summaryLine = ({ faults, notRun, ...rest }: RunSummary) => ({
  ...rest,
  faults: [...faults, ...notRun],
});

/** A request that began in a window may be answered as late as this after it (the client's time-outs), ms. */
const LATE_MS = 30_000;

/** The part of a long run that can matter to one fault: judging looks at it several times. */
function around(evidence: Evidence, { baseline, end }: Marks): Evidence {
  const history = evidence.history.filter(
    ({ intended, done }) => done >= baseline && intended <= end + LATE_MS,
  );
  return { ...evidence, history };
}

/** Judges a stored run. @throws HoldfastError when the folder holds no run */
export async function judgeFolder(
  folder: string,
): Promise<{ readonly record: DrillRecord; readonly faults: readonly Judged[] }> {
  const files = filesIn(folder);
  const record = JSON.parse(await readPart(files.marks, folder)) as DrillRecord;
  const evidence = {
    history: parseHistory(await readPart(files.history, folder)),
    readBack: settled(parseReadBack(await readFile(files.readBack, "utf8").catch(() => ""))),
    observations: parseObservations(await readFile(files.observations, "utf8").catch(() => "")),
    samplingMs: spacingMs(record.rate),
    samplingMsByClass: { "read-fresh": spacingMs(record.rate, "read-fresh") },
  };
  return {
    record,
    faults: record.faults.map((marks, round) => {
      const { tier, repeat, objectives } = marks;
      return { ...judge({ ...around(evidence, marks), round }, marks, objectives), tier, repeat, objectives };
    }),
  };
}

async function readPart(path: string, folder: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new HoldfastError(`${folder} does not hold a finished drill: ${(cause as Error).message}`, {
      cause,
    });
  }
}
