/** What a package says about going to it and back: `release.json`, beside its VERSION. Pure. */
import { z } from "zod";
import type { Rollback, Strategy } from "./actions.ts";

const releaseSchema = z.strictObject({
  backwardCompatibleWith: z
    .array(z.string().min(1))
    .default([])
    .describe("Earlier versions that run on the schema which this release's migration leaves"),
  downgradesTo: z
    .array(z.string().min(1))
    .default([])
    .describe("Earlier versions to whose schema `scripts/downgrade VERSION` goes back"),
});
export type Release = z.output<typeof releaseSchema>;

/** @returns what it says, or what is wrong with it. A package without one promises nothing. */
export function parseRelease(text: string | null): Release | string {
  if (text === null) return { backwardCompatibleWith: [], downgradesTo: [] };
  try {
    const parsed = releaseSchema.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
    return parsed.error.issues.map(({ path, message }) => `${path.join(".") || "it"}: ${message}`).join("; ");
  } catch (error) {
    return (error as Error).message;
  }
}

export interface Choice {
  readonly strategy: Strategy;
  readonly rollback: Rollback;
}

/**
 * How to upgrade from `from`. `asked`: the operator's own choice.
 * @returns why it cannot be, with what to do
 */
export function chooseStrategy(
  release: Release,
  options: {
    readonly from: string;
    readonly hosts: number;
    readonly asked: Strategy | undefined;
    readonly noRollback: boolean;
  },
): Choice | { readonly refused: string; readonly fix: string } {
  const { from, hosts, asked, noRollback } = options;
  // Then both may run at once: one host after the other, and back, are possible.
  const compatible = release.backwardCompatibleWith.includes(from);
  const rollback = compatible ? "release" : release.downgradesTo.includes(from) ? "migration" : "none";
  const strategy = asked ?? (compatible && hosts > 1 ? "rolling" : "limited-downtime");
  if (strategy === "rolling" && hosts < 2) {
    return {
      refused: "a rolling upgrade needs a second app host to serve meanwhile",
      fix: "use --strategy limited-downtime",
    };
  }
  if (strategy === "rolling" && !compatible) {
    return {
      refused: `a rolling upgrade runs ${from} and the new release side by side, and the package does not say that ${from} runs on its schema`,
      fix: "use --strategy limited-downtime, or name that version in the package's release.json",
    };
  }
  if (rollback === "none" && !noRollback) {
    return {
      refused: `this upgrade could not be rolled back: ${from} does not run on the schema that the package's migration leaves, and nothing takes that back`,
      fix: "make a backup of the database, then add --no-rollback; or provide for it in the package's release.json",
    };
  }
  return { strategy, rollback };
}
