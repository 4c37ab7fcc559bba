import { readFile } from "node:fs/promises";
import { runDatabaseLoop, runRelease } from "../agent/database/run.ts";
import { runEcho } from "../agent/echo.ts";
import { runEntryLoop } from "../agent/entry.ts";
import { runAddress } from "../agent/run-address.ts";
import { agentConfigSchema, type AgentConfig } from "../core/engines/agent/config.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";

const usage = "holdfast agent --config FILE [--release-gate]";

/** Runs this host's agent until it is told to stop: what holdfast-agent.service starts. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { values } = parseCommand(
    args,
    usage,
    { config: { type: "string" }, "release-gate": { type: "boolean" } },
    0,
  );
  if (values.config === undefined) {
    throw new HoldfastError("the agent needs its configuration", {
      fix: `usage: ${usage}`,
      exitStatus: ExitStatus.usage,
    });
  }
  const config = await readConfig(values.config);
  const { entry, address, database } = config;
  if (values["release-gate"] === true) {
    if (database !== undefined) await runRelease(database, io);
    return ExitStatus.ok;
  }
  await Promise.all([
    ...(entry === undefined ? [] : [runEntryLoop(entry, io), runEcho(entry.echo, io)]),
    ...(address === undefined ? [] : [runAddress(address, io)]),
    ...(database === undefined ? [] : [runDatabaseLoop(database, io)]),
  ]);
  return ExitStatus.ok;
}

async function readConfig(path: string): Promise<AgentConfig> {
  const fix = "run `holdfast up`: it writes the agent's configuration";
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    throw new HoldfastError(`cannot read ${path}: ${(error as Error).message}`, { fix, cause: error });
  }
  try {
    return agentConfigSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new HoldfastError(`${path} is not an agent's configuration: ${(error as Error).message}`, {
      fix,
      cause: error,
    });
  }
}
