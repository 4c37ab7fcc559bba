import { PoolController } from "../controller/controller.ts";
import type { PoolSettings } from "../core/decide/pool/types.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { tryLock } from "../lib/lock.ts";
import { poll } from "../lib/retry.ts";
import { openProvider } from "../run/provider.ts";
import type { PoolPlace } from "../run/pool/hosts.ts";
import { observePool } from "../run/pool/observe.ts";
import { readPool, writePool } from "../run/pool/record.ts";
import { controllerDirectory } from "../run/pool/status.ts";
import { parseCommand } from "./arguments.ts";
import { confirm } from "./confirm.ts";
import type { CommandIo } from "./io.ts";
import { loadPool, poolSettings } from "./pool.ts";

export const usage = "holdfast scale COUNT [FILE|BLUEPRINT] [--dry-run] [--yes] [--json]";

const DEADLINE_MS = 900_000;

/** Makes the pool larger or smaller, and waits until it is. Run again after any interruption. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const options = { yes: { type: "boolean" }, "dry-run": { type: "boolean" } } as const;
  const { positionals, values } = parseCommand(args, usage, options, 2);
  const [count, file] = positionals;
  const place = await loadPool(file, io);
  const settings = poolSettings(place.full);
  const to = wanted(count, settings);
  const { desired: from } = await readPool(place.directory, place.full);
  const line = { type: "scale", topology: place.full.name, from, to };
  if (values["dry-run"] === true) {
    io.stdout(io.json ? JSON.stringify({ ...line, dryRun: true }) : `${from} hosts would become ${to}`);
    return ExitStatus.ok;
  }
  if (to < from) {
    await confirm(`Remove ${from - to} of ${from} app hosts with their disks?`, values.yes === true, io);
  }
  await resize(place, to);
  await reach(place, settings, io);
  const { members } = await readPool(place.directory, place.full);
  const hosts = members.filter(({ role }) => role === "serving").map(({ host }) => host);
  if (io.json) io.stdout(JSON.stringify({ ...line, hosts }));
  else io.stdout(`${hosts.length} app hosts serve: ${hosts.join(", ")}`);
  return ExitStatus.ok;
}

function wanted(count: string | undefined, { min, max }: PoolSettings): number {
  const to = Number(count);
  if (count !== undefined && Number.isInteger(to) && to >= min && to <= max) return to;
  throw new HoldfastError(count === undefined ? "how many hosts?" : `${count} is not from ${min} to ${max}`, {
    fix: `give a number within app.pool's \`min\` and \`max\`; usage: ${usage}`,
    exitStatus: ExitStatus.usage,
  });
}

async function resize(place: PoolPlace, to: number): Promise<void> {
  const write = async (): Promise<boolean> => {
    const record = await readPool(place.directory, place.full);
    return writePool(place.directory, place.full, { ...record, desired: to });
  };
  await poll(write, { deadlineMs: 10_000, intervalMs: 50, what: "the record of the pool to be written" });
}

/** A controller that runs does it; without one this process is the controller until it is done. */
async function reach(place: PoolPlace, settings: PoolSettings, io: CommandIo): Promise<void> {
  const lock = await tryLock(controllerDirectory(place.directory));
  // Whoever asks for fewer has made up their mind: no host is waited for that might come back.
  const controller = lock === undefined ? null : new PoolController(place, { ...settings, calmMs: 0 });
  const done = controller === null ? () => isReached(place) : () => takeTurn(controller);
  try {
    await poll(
      async () => {
        if (io.signal.aborted) return true;
        return done();
      },
      {
        deadlineMs: DEADLINE_MS,
        intervalMs: settings.turnMs,
        what: "the pool to have that size",
        fix: "look at `holdfast status`; the same command goes on from what is there",
      },
    );
  } finally {
    await controller?.close();
    await lock?.release();
  }
  if (io.signal.aborted) {
    throw new HoldfastError("interrupted", {
      fix: "run the same command again: it goes on from what is there",
    });
  }
}

const takeTurn = async (controller: PoolController): Promise<boolean> => (await controller.turn()).settled;

async function isReached({ full, directory, home, reporter }: PoolPlace): Promise<boolean> {
  const none = new Set<string>();
  const work = { making: none, removing: none, failed: none, made: none };
  const record = await readPool(directory, full);
  const seen = await observePool(full, record, await openProvider(full, home, reporter), work);
  const well = seen.members.filter(
    ({ role, entry, monitor }) => role === "serving" && entry === "up" && monitor === "well",
  );
  return well.length === record.desired && seen.members.every(({ role }) => role !== "draining");
}
