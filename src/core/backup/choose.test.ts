import { describe, expect, it } from "vitest";
import { chooseBackup } from "./choose.ts";
import type { DatabaseBackup } from "./repository.ts";

const backup = (label: string, stopped: number, damaged = false): DatabaseBackup => ({
  label,
  type: "full",
  started: stopped - 10,
  stopped,
  size: 1,
  damaged,
});
const backups = [backup("one", 100), backup("two", 200), backup("three", 300)];
const chosen = (at?: number, from = backups) => {
  const choice = chooseBackup(from, { at, now: 1000 });
  return "backup" in choice ? choice.backup.label : choice.reason;
};

describe("chooseBackup", () => {
  it("takes the newest that had stopped by then", () => {
    expect(chosen()).toBe("three");
    expect(chosen(299)).toBe("two");
    expect(chosen(300)).toBe("three");
    expect(chosen(205)).toBe("two");
    expect(chosen(100)).toBe("one");
  });

  it("does not mind the order that they are listed in", () => {
    expect(chosen(undefined, backups.toReversed())).toBe("three");
  });

  it("passes a damaged one over", () => {
    expect(chosen(undefined, [...backups, backup("four", 400, true)])).toBe("three");
    expect(chosen(undefined, [backup("one", 100, true)])).toContain("damaged pages (one)");
  });

  it("says from when on a restore is possible", () => {
    expect(chosen(99)).toBe("the oldest backup is of 1970-01-01T00:01:40Z, after the time that is asked for");
    expect(chosen(1001)).toContain("has not come yet");
    expect(chosen(undefined, [])).toBe("there is no backup of the database");
  });
});
