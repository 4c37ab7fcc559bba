import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { takeLock } from "../run/lock.ts";
import type { PoolPlace } from "../run/pool/hosts.ts";
import { readPool } from "../run/pool/record.ts";
import {
  createSnapshot,
  deleteSnapshot,
  listSnapshots,
  showSnapshot,
  type Snapshot,
} from "../run/pool/snapshots.ts";
import { parseCommand } from "./arguments.ts";
import { confirm } from "./confirm.ts";
import type { CommandIo } from "./io.ts";
import { loadPool } from "./pool.ts";

export const usage =
  "holdfast snapshot create|list|show ID|delete ID [FILE|BLUEPRINT] [--host HOST] [--yes] [--json]";

interface Asked {
  readonly place: PoolPlace;
  readonly id: string;
  readonly host: string | undefined;
  readonly yes: boolean;
  readonly io: CommandIo;
}

/** Images of a configured app host, from which new members of the pool are made. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const options = { yes: { type: "boolean" }, host: { type: "string" } } as const;
  const { positionals, values } = parseCommand(args, usage, options, 3);
  const [verb = "", ...rest] = positionals;
  const work = verbs[verb];
  const needsId = verb === "show" || verb === "delete";
  const [id, file] = needsId ? rest : [undefined, ...rest];
  if (work === undefined || (needsId && id === undefined)) {
    throw new HoldfastError(work === undefined ? `snapshot cannot ${verb || "nothing"}` : "which snapshot?", {
      fix: `usage: ${usage}`,
      exitStatus: ExitStatus.usage,
    });
  }
  const place = await loadPool(file, io);
  await work({ place, id: id ?? "", host: values.host, yes: values.yes === true, io });
  return ExitStatus.ok;
}

const verbs: Readonly<Record<string, (asked: Asked) => Promise<void>>> = {
  create: async ({ place, host, io }) => {
    const { members } = await readPool(place.directory, place.full);
    const serving = members.filter(({ role }) => role === "serving").map((member) => member.host);
    const chosen = host ?? serving[0];
    if (chosen === undefined || !serving.includes(chosen)) {
      throw new HoldfastError(`${chosen ?? "no host"} serves in the pool`, {
        fix: `--host with one of: ${serving.join(", ")}`,
        exitStatus: ExitStatus.usage,
      });
    }
    await locked(place, async () => {
      const task = io.reporter.task(`snapshot of ${chosen}`);
      try {
        tell(io, "created", await createSnapshot(place, chosen, new Date()));
        task.done();
      } catch (error) {
        task.fail((error as Error).message);
        throw error;
      }
    });
  },
  list: async ({ place, io }) => {
    const all = await listSnapshots(place.directory);
    for (const one of all) tell(io, "listed", one);
    if (all.length === 0 && !io.json) io.stdout("there is no snapshot: holdfast snapshot create");
  },
  show: async ({ place, id, io }) => {
    const { intact, ...known } = await showSnapshot(place.directory, id);
    tell(io, "shown", known, { intact });
    if (!intact) {
      throw new HoldfastError(`${id} is not what it was when it was made`, {
        fix: "no host is made from it; delete it and make another",
      });
    }
  },
  delete: async ({ place, id, yes, io }) => {
    await confirm(`Delete the snapshot ${id}?`, yes, io);
    await locked(place, () => deleteSnapshot(place.directory, id));
    io.stdout(io.json ? JSON.stringify({ type: "snapshot", event: "deleted", id }) : `${id} is deleted`);
  },
};

async function locked(place: PoolPlace, work: () => Promise<void>): Promise<void> {
  const lock = await takeLock(place.directory, "snapshot");
  try {
    await work();
  } finally {
    await lock.release();
  }
}

function tell(
  io: CommandIo,
  event: string,
  one: Snapshot,
  more: Readonly<Record<string, unknown>> = {},
): void {
  if (io.json) io.stdout(JSON.stringify({ type: "snapshot", event, ...one, ...more }));
  else io.stdout(`${one.id}  of ${one.host}, ${one.createdAt}, sha256 ${one.sha256.slice(0, 16)}`);
}
