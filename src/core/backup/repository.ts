/** What pgBackRest says of the repository: `pgbackrest info --output=json`. */
import { z } from "zod";

export interface DatabaseBackup {
  /** pgBackRest's name: "20261120-150000F", or with "_20261121-150000I" behind it. */
  readonly label: string;
  readonly type: "full" | "diff" | "incr";
  /** Unix seconds. A restore to a time needs a backup that had stopped by then. */
  readonly started: number;
  readonly stopped: number;
  /** Bytes of the whole database when it is restored. */
  readonly size: number;
  /** Pages whose checksum was wrong when it was copied. */
  readonly damaged: boolean;
}

export interface Repository {
  /** Oldest first. */
  readonly backups: readonly DatabaseBackup[];
  /** Clusters that the stanza is or was of, newest last; a number of 64 bits, as text. */
  readonly systems: readonly string[];
  /** Newest WAL segment that is archived; null when there is none. */
  readonly newestWal: string | null;
  /** A backup is being made on the host that was asked. */
  readonly running: boolean;
}

const stanzaSchema = z.object({
  name: z.string(),
  db: z.array(z.object({ "system-id": z.string() })).default([]),
  archive: z.array(z.object({ max: z.string().nullable() })).default([]),
  backup: z
    .array(
      z.object({
        label: z.string(),
        type: z.enum(["full", "diff", "incr"]),
        error: z.boolean().nullish(),
        timestamp: z.object({ start: z.number(), stop: z.number() }),
        info: z.object({ size: z.number() }),
      }),
    )
    .default([]),
  status: z.object({ lock: z.object({ backup: z.object({ held: z.boolean() }) }).optional() }).optional(),
});

/** @returns null when it is not such an answer; an empty repository when the stanza is not there */
export function parseRepository(text: string, stanza: string): Repository | null {
  const parsed = z.array(stanzaSchema).safeParse(parseJson(text));
  if (!parsed.success) return null;
  const own = parsed.data.find(({ name }) => name === stanza);
  return {
    backups: (own?.backup ?? []).map(({ label, type, error, timestamp, info }) => ({
      label,
      type,
      started: timestamp.start,
      stopped: timestamp.stop,
      size: info.size,
      damaged: error === true,
    })),
    systems: (own?.db ?? []).map((system) => system["system-id"]),
    newestWal: own?.archive.at(-1)?.max ?? null,
    running: own?.status?.lock?.backup.held ?? false,
  };
}

/** A system id has 64 bits: as a JSON number it would lose its last digits. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replaceAll(/"system-id"\s*:\s*(\d+)/g, '"system-id":"$1"'));
  } catch {
    return null;
  }
}
