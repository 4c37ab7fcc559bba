import { rm } from "node:fs/promises";
import { join } from "node:path";
import { progressOf, recordSchema, type UpgradeRecord } from "../../core/upgrade/record.ts";
import { readIfExists, writeFileAtomic } from "../../lib/atomic.ts";
import { HoldfastError } from "../../lib/errors.ts";

const fileOf = (directory: string): string => join(directory, "upgrade.json");

/**
 * The unfinished upgrade of the topology whose state directory this is; null when there is none.
 * @throws HoldfastError when it cannot be understood
 */
export async function loadRecord(directory: string): Promise<UpgradeRecord | null> {
  const text = await readIfExists(fileOf(directory));
  if (text === null) return null;
  try {
    return recordSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new HoldfastError(`${fileOf(directory)} is not the record of an upgrade`, {
      fix: "it was written by another version of Holdfast, or edited: finish the upgrade with that version",
      cause: error,
    });
  }
}

export const saveRecord = (directory: string, record: UpgradeRecord): Promise<void> =>
  writeFileAtomic(fileOf(directory), `${JSON.stringify(record, null, 2)}\n`);

export const removeRecord = (directory: string): Promise<void> => rm(fileOf(directory), { force: true });

/**
 * For commands that make hosts what the topology says: during an upgrade that is not what they should be.
 * @throws HoldfastError when an upgrade is unfinished
 */
export async function refuseDuringUpgrade(directory: string): Promise<void> {
  const record = await loadRecord(directory);
  if (record === null) return;
  throw unfinished(record);
}

export const unfinished = (record: UpgradeRecord): HoldfastError =>
  new HoldfastError(progressOf(record), {
    fix: "go on with `holdfast upgrade --resume`, or take it back with `holdfast upgrade --rollback`",
  });
