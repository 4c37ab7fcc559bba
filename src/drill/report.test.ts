import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { runVerdicts, storedRun } from "../../test/support/drill-run.ts";
import { HoldfastError } from "../lib/errors.ts";
import { readReport, reportFile, writeReport } from "./report.ts";

const made: string[] = [];
afterEach(async () => {
  for (const directory of made.splice(0)) await rm(directory, { recursive: true });
});

const newRun = async (name: string, drills?: string): Promise<string> => {
  const parent = drills ?? (await mkdtemp(join(tmpdir(), "drills-")));
  if (drills === undefined) made.push(parent);
  return storedRun(join(parent, name));
};

describe("a run's folder as a report", () => {
  it("gives every injection its own requests, marks and lost writes", async () => {
    const input = await readReport(await newRun("2026-01-02T030405Z-all"));
    expect(
      input.injections.map(({ result, marks }) => [result.fault, result.verdict, marks?.inject ?? null]),
    ).toEqual([
      ["primary-kill", "pass", 2000],
      ["vip-holder-power-off", "pass", 10_000],
      ["primary-kill", "fail", 18_000],
      ["clock-jump", "not-run", null],
    ]);
    expect(input.injections.map(({ engineMarks }) => engineMarks.length)).toEqual([4, 4, 4, 0]);
    const [first, second] = input.injections;
    expect(first?.records.length).toBeGreaterThan(1600);
    expect(second?.records.every(({ done, intended }) => done >= 8000 && intended <= 16_000)).toBe(true);
    expect([...input.writeTimes]).toEqual([["run-41", { intended: 18_100 }]]);
    expect(first?.otherFigures).toEqual([{ name: "stalenessMs", value: "37" }]);
    expect(input.unreadJournals.map(({ host }) => host)).toEqual(["lb2"]);
  });

  it("writes a file that only its owner reads, also for a run of an older version", async () => {
    const folder = await newRun("2026-01-02T030405Z-all");
    await rm(join(folder, "run.json"));
    await rm(join(folder, "engine-marks.jsonl"));
    const path = await writeReport(folder);
    expect(path).toBe(reportFile(folder));
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const text = await readFile(path, "utf8");
    expect(text).toContain("the run was made by an older version");
    expect(text).toContain("nothing can be derived from it");
  });

  it("collects the results of all runs beside it, and leaves out what is no run", async () => {
    const folder = await newRun("2026-01-02T030405Z-all");
    const drills = join(folder, "..");
    await newRun("2026-01-03T000000Z-all", drills);
    await mkdir(join(drills, "2026-01-04T000000Z-unfinished"));
    await mkdir(join(drills, "2026-01-05T000000Z-damaged"));
    await writeFile(join(drills, "2026-01-05T000000Z-damaged", "verdict.json"), "{");
    const { stored } = await readReport(folder);
    expect(stored.map((run) => [run.folder, run.results.length])).toEqual([
      ["2026-01-02T030405Z-all", 4],
      ["2026-01-03T000000Z-all", 4],
    ]);
  });

  it("shows the results that were just judged rather than the stored ones", async () => {
    const folder = await newRun("2026-01-02T030405Z-all");
    const again = runVerdicts.map((verdict) => ({ ...verdict, reasons: ["judged again"] }));
    expect(await readFile(await writeReport(folder, again), "utf8")).toContain("judged again");
  });

  it("says what is missing when the folder holds no run", async () => {
    const folder = await mkdtemp(join(tmpdir(), "drills-"));
    made.push(folder);
    await expect(writeReport(folder)).rejects.toThrow(HoldfastError);
    await expect(writeReport(folder)).rejects.toThrow(
      "does not hold a finished drill: there is no marks.json",
    );
  });
});
