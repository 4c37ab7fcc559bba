import { runLoadGenerator } from "../drill/loadgen/main.ts";
import { ExitStatus } from "../lib/errors.ts";
import type { CommandIo } from "./io.ts";

/** `holdfast loadgen` (hidden): the load generator's process, started by a drill in the clients' network. */
export async function run(_args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  await runLoadGenerator(process.stdin, (message) => io.stdout(JSON.stringify(message)), io.signal);
  return ExitStatus.ok;
}
