import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { storedRun } from "../../test/support/drill-run.ts";
import { recordedIo } from "../../test/support/io.ts";
import { ExitStatus } from "../lib/errors.ts";
import { run as drill } from "./drill.ts";

let drills = "";
beforeEach(async () => {
  drills = await mkdtemp(join(tmpdir(), "drills-"));
  await storedRun(join(drills, "a"));
  // Every outage is 3 s longer in B.
  await storedRun(join(drills, "b"), (verdict) => {
    const length = verdict["longestOutageMs"];
    if (typeof length !== "number") return verdict;
    const longer = length + 3000;
    return {
      ...verdict,
      longestOutageMs: longer,
      longestOutageRangeMs: { low: longer - 100, high: longer + 100 },
    };
  });
});
afterEach(() => rm(drills, { recursive: true }));

describe("holdfast drill report", () => {
  it("writes the report of one run", async () => {
    const io = recordedIo(drills);
    expect(await drill(["report", "a"], io)).toBe(ExitStatus.ok);
    expect(io.lines).toEqual([`Report: ${join(drills, "a/report.html")}`]);
    expect(await readFile(join(drills, "a/report.html"), "utf8")).toContain("Drill report: shop");
  });

  it("compares two runs as text, and writes a page when asked", async () => {
    const io = recordedIo(drills);
    expect(await drill(["report", "a", "b", "--html", "c.html"], io)).toBe(ExitStatus.ok);
    const text = io.lines.join("\n");
    expect(text).toMatch(/^vip-holder-power-off .* longer: beyond the resolution/m);
    expect(text).toMatch(/^primary-kill .* longer: beyond resolution and spread/m);
    expect(text).toMatch(/^clock-jump .* not comparable: not run in A/m);
    expect(await readFile(join(drills, "c.html"), "utf8")).toContain("Two runs compared");
  });

  it("gives one line per fault to programs", async () => {
    const io = recordedIo(drills, true);
    await drill(["report", "a", "b"], io);
    const lines = io.lines.map((line) => JSON.parse(line) as { type: string; fault: string; change: string });
    expect(lines.map(({ type, fault, change }) => [type, fault, change])).toEqual([
      ["comparison", "primary-kill", "longer"],
      ["comparison", "vip-holder-power-off", "longer"],
      ["comparison", "clock-jump", "not comparable"],
    ]);
  });

  it("says what it needs", async () => {
    await expect(drill(["report"], recordedIo(drills))).rejects.toThrow("needs the folder of a run");
    await expect(drill(["report", "a", "--html", "x"], recordedIo(drills))).rejects.toThrow(
      "--html goes with two runs",
    );
    await expect(drill(["report", "none"], recordedIo(drills))).rejects.toThrow(
      "does not hold a finished drill",
    );
  });
});
