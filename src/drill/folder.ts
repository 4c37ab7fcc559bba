/** A drill's folder: the raw history, the marks and the verdict, kept so that it can be judged again. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseHistory, parseReadBack } from "../core/drill/history.ts";
import { type FaultResult, judge, type Marks, type Objectives } from "../core/drill/judge.ts";
import { type Rate, spacingMs } from "../core/drill/schedule.ts";
import { writeFileAtomic } from "../lib/atomic.ts";
import { HoldfastError } from "../lib/errors.ts";

/** marks.json: all that judging needs besides the history. */
export interface DrillRecord {
  readonly topology: string;
  readonly rate: Rate;
  readonly aborted: string | null;
  readonly faults: readonly (Marks & { readonly objectives: Objectives })[];
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

/** Judges a stored run. @throws HoldfastError when the folder holds no run */
export async function judgeFolder(
  folder: string,
): Promise<{ readonly record: DrillRecord; readonly faults: readonly FaultResult[] }> {
  const files = filesIn(folder);
  const record = JSON.parse(await readPart(files.marks, folder)) as DrillRecord;
  const evidence = {
    history: parseHistory(await readPart(files.history, folder)),
    readBack: parseReadBack(await readFile(files.readBack, "utf8").catch(() => "")),
    samplingMs: spacingMs(record.rate),
    samplingMsByClass: { "read-fresh": spacingMs(record.rate, "read-fresh") },
  };
  return { record, faults: record.faults.map((marks) => judge(evidence, marks, marks.objectives)) };
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
