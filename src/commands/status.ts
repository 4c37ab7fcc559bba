import { ExitStatus } from "../lib/errors.ts";
import type { CommandIo } from "./io.ts";
export const usage = "holdfast status [FILE|BLUEPRINT] [--json]";
export async function run(_args: readonly string[], _io: CommandIo): Promise<ExitStatus> {
  return ExitStatus.ok;
}
