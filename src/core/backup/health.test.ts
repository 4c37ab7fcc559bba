import { describe, expect, it } from "vitest";
import { type BackupState, judgeBackups } from "./health.ts";

const day = 86_400;
const now = 100 * day;
const state = (edit: Partial<BackupState> = {}, stopped = now - 3 * 3600): BackupState => ({
  repository: {
    backups: [{ label: "F1", type: "full", started: stopped - 5, stopped, size: 1, damaged: false }],
    systems: ["7001"],
    newestWal: "000000010000000000000007",
    running: false,
  },
  archive: { system: "7001", waitedSeconds: 0, waiting: 0 },
  now,
  ...edit,
});
const risks = (seen: BackupState) => judgeBackups(seen, "daily").risks;

describe("judgeBackups", () => {
  it("finds nothing where there is a backup and the archive keeps up", () => {
    expect(judgeBackups(state(), "daily")).toEqual({
      summary: "newest F1, 3 h old; WAL archived",
      risks: [],
      usable: true,
    });
    expect(risks(state({ archive: { system: "7001", waitedSeconds: 5, waiting: 1 } }))).toEqual([]);
  });

  it("says when the archive is stuck, and what that puts at risk", () => {
    expect(risks(state({ archive: { system: "7001", waitedSeconds: 320, waiting: 4 } }))).toEqual([
      "WAL has waited 5 min to be archived (4 segments): what was written since is on the database hosts only",
    ]);
  });

  it("tells a repository of another cluster", () => {
    const foreign = { system: "7999", waitedSeconds: 320, waiting: 4 };
    expect(risks(state({ archive: foreign }))).toEqual([expect.stringContaining("of another cluster")]);
  });

  it("says when a backup is missing: never made, or not for two periods", () => {
    expect(risks(state({}, now - 2 * day))).toEqual([]);
    expect(risks(state({}, now - 2 * day - 1))).toEqual([
      expect.stringContaining("the newest backup is 2 days old"),
    ]);
    const repository = { backups: [], systems: ["7001"], newestWal: null, running: false };
    expect(judgeBackups(state({ repository }), "daily")).toMatchObject({
      usable: false,
      risks: ["there is no backup of the database"],
    });
    expect(risks(state({ repository: { ...repository, running: true } }))).toEqual([
      "the first backup is being made",
    ]);
    expect(judgeBackups(state({ repository: null }), "daily").usable).toBe(false);
  });
});
