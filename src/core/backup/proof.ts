/** That a backup was restored, and came up: kept beside the backups, so that it outlives who proved it. */
import { z } from "zod";

export const proofSchema = z.object({
  /** The backup's label. */
  backup: z.string(),
  /** Unix seconds, when it had come up. */
  provenAt: z.number(),
  /** Milliseconds from the first copied byte to the first answered query. */
  tookMs: z.number(),
  /** Last transaction that it came up with, as PostgreSQL's time; null when nothing was written after the backup. */
  recoveredTo: z.string().nullable(),
});
export type Proof = z.output<typeof proofSchema>;

/** One JSON object per line; a line that is torn or of another version counts as none. */
export function parseProofs(text: string): Proof[] {
  return text.split("\n").flatMap((line) => {
    try {
      const parsed = proofSchema.safeParse(JSON.parse(line));
      return parsed.success ? [parsed.data] : [];
    } catch {
      return [];
    }
  });
}
