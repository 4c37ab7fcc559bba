import { createInterface } from "node:readline/promises";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import type { CommandIo } from "./io.ts";

/**
 * Asks a person before something is changed that cannot be undone.
 * @throws HoldfastError when nobody can be asked and `yes` is not given, or the answer is no.
 */
export async function confirm(question: string, yes: boolean, io: CommandIo): Promise<void> {
  if (yes) return;
  if (!io.interactive) {
    throw new HoldfastError(`${question} Nobody can be asked here`, {
      fix: "add --yes",
      exitStatus: ExitStatus.usage,
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new HoldfastError("nothing was changed: you said no");
  } finally {
    terminal.close();
  }
}
