import { PoolController } from "../controller/controller.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { takeLock } from "../run/lock.ts";
import { controllerDirectory } from "../run/pool/status.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";
import { loadPool, poolSettings } from "./pool.ts";

export const usage = "holdfast controller run [FILE|BLUEPRINT] [--json]";

const SOON_MS = 100;

/** Keeps the pool at its size and replaces what is lost, until it is told to stop. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals } = parseCommand(args, usage, {}, 2);
  const [verb, file] = positionals;
  if (verb !== "run") {
    throw new HoldfastError(verb === undefined ? "controller what?" : `controller cannot ${verb}`, {
      fix: `usage: ${usage}`,
      exitStatus: ExitStatus.usage,
    });
  }
  const place = await loadPool(file, io);
  const lock = await takeLock(controllerDirectory(place.directory), "controller run");
  const settings = poolSettings(place.full);
  const controller = new PoolController(place, settings);
  io.reporter.info(`keeping the pool of ${place.full.name}`);
  let told: readonly string[] = [];
  try {
    while (!io.signal.aborted) {
      const { actions, alarms } = await controller.turn().catch((error: unknown) => {
        if (!(error instanceof HoldfastError)) throw error;
        return { actions: [], alarms: [error.message] };
      });
      for (const alarm of alarms) if (!told.includes(alarm)) io.reporter.warn(alarm);
      for (const alarm of told) if (!alarms.includes(alarm)) io.reporter.info(`over: ${alarm}`);
      told = alarms;
      // What was decided is often only the first of two steps.
      await controller.next(actions.length > 0 ? SOON_MS : settings.turnMs, io.signal);
    }
    return ExitStatus.ok;
  } finally {
    await controller.close();
    await lock.release();
  }
}
