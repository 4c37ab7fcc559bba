import { ExitStatus } from "../lib/errors.ts";
import { installPrerequisites, missingPrerequisites } from "../hosts/lab/prerequisites.ts";
import { parseCommand } from "./arguments.ts";
import { confirm } from "./confirm.ts";
import type { CommandIo } from "./io.ts";

export const usage = "holdfast doctor [--install] [--yes] [--json]";

/** Says what this machine lacks for a lab, and why it is needed. Exit 1 when something is missing. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { values } = parseCommand(args, usage, { install: { type: "boolean" }, yes: { type: "boolean" } }, 0);
  if (values.install === true) await preparePrerequisites(values.yes === true, io);
  const missing = await missingPrerequisites();
  if (io.json) io.stdout(JSON.stringify({ type: "doctor", missing }));
  else if (missing.length === 0) io.stdout("this machine has everything that a lab needs");
  else for (const { what, why } of missing) io.stdout(`missing: ${what}: ${why}`);
  return missing.length === 0 ? ExitStatus.ok : ExitStatus.error;
}

/** Installs what is missing, after saying what and why; asks first when a person is there to answer. */
export async function preparePrerequisites(yes: boolean, io: CommandIo): Promise<void> {
  const missing = await missingPrerequisites();
  if (missing.length === 0) return;
  io.reporter.info("this machine lacks:");
  for (const { what, why } of missing) io.reporter.info(`  ${what}: ${why}`);
  await confirm("Install this now?", yes, io);
  await installPrerequisites(missing, io.reporter);
}
