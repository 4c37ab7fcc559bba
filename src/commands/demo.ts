import { openLab } from "../hosts/lab/lab.ts";
import type { ExitStatus } from "../lib/errors.ts";
import type { RunSummary } from "../drill/folder.ts";
import { runDrill } from "../drill/run.ts";
import { takeLock } from "../run/lock.ts";
import { stateDirectory } from "../run/state.ts";
import { parseCommand } from "./arguments.ts";
import { preparePrerequisites } from "./doctor.ts";
import { takeDown } from "./down.ts";
import { drillOptions, printSummary } from "./drill.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology, refuseErrors, type LoadedTopology } from "./load.ts";
import { bringUp, summary } from "./up.ts";

export const usage = "holdfast demo [BLUEPRINT] [--keep] [--yes] [--json]";

const blueprint = "privx-onprem";
const faults = ["app-kill", "vip-holder-power-off", "primary-kill"];

/** The whole of Holdfast in a few minutes: bring a service up, break it under load, show what clients saw, clean up. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals, values } = parseCommand(args, usage, {
    keep: { type: "boolean" },
    yes: { type: "boolean" },
  });
  const loaded = await loadTopology(positionals[0] ?? blueprint, io);
  refuseErrors(loaded);
  const { name } = loaded.topology;
  io.reporter.info(
    `Demo: the blueprint ${name} in a local lab of ${Object.keys(loaded.topology.hosts).length} systemd machines.`,
  );
  await preparePrerequisites(values.yes === true, io);
  const before = await openLab({ home: io.home, name, reporter: io.reporter });
  // Somebody's running lab is theirs: the demo uses it and leaves it.
  const keep = values.keep === true || before.exists;
  try {
    return await breakThings(loaded, keep, io);
  } catch (error) {
    if (!keep) await takeDown(name, io);
    throw error;
  }
}

async function breakThings(loaded: LoadedTopology, keep: boolean, io: CommandIo): Promise<ExitStatus> {
  const { state, provider, steps } = await bringUp(loaded, io);
  const { name } = loaded.topology;
  const lock = await takeLock(stateDirectory(io.home, name), "demo");
  const options = drillOptions({ loaded, state, provider, faults }, io);
  let result: RunSummary;
  try {
    result = await runDrill(options);
  } finally {
    await lock.release();
  }
  // With --json the summary is the last line, whatever follows; a person sees the table first.
  if (io.json && !keep) await takeDown(name, io);
  const status = printSummary(result, io);
  if (io.json) return status;
  if (keep) io.stdout(`\n${summary(loaded, steps)}`);
  else await takeDown(name, io);
  return status;
}
