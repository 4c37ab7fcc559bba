import { duration as durationForm, isService, type ServiceTopology } from "../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { admitHost, drainHost, entryHosts } from "../run/drain.ts";
import { takeLock } from "../run/lock.ts";
import { openProvider } from "../run/provider.ts";
import { stateDirectory } from "../run/state.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology } from "./load.ts";

export const usage = "holdfast drain HOST [FILE|BLUEPRINT] [--undo] [--deadline 30s] [--json]";

const DEADLINE = "30s";

/** Takes an app host out of the pool until it is put back: before maintenance of it. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const options = { undo: { type: "boolean" }, deadline: { type: "string" } } as const;
  const { positionals, values } = parseCommand(args, usage, options, 2);
  const [name, file] = positionals;
  const deadline = durationForm.safeParse(values.deadline ?? DEADLINE);
  if (!deadline.success)
    throw badUsage(`--deadline ${values.deadline}: ${deadline.error.issues[0]?.message}`);
  const { topology } = await loadTopology(file, io);
  const host = appHost(topology, name);
  const lock = await takeLock(stateDirectory(io.home, topology.name), "drain");
  try {
    const { hosts } = await openProvider(topology, io.home, io.reporter);
    const entries = entryHosts(host.topology, hosts);
    const undo = values.undo === true;
    const task = io.reporter.task(undo ? `put ${host.name} back into the pool` : `drain ${host.name}`);
    try {
      const cut = undo
        ? await admitHost(entries, host.name, host.topology.app.health).then(() => 0)
        : await drainHost(entries, host.name, { deadlineMs: deadline.data });
      task.done();
      if (io.json)
        io.stdout(JSON.stringify({ type: "drain", topology: topology.name, host: host.name, undo, cut }));
      else io.stdout(said(host.name, undo, cut));
      return ExitStatus.ok;
    } catch (error) {
      task.fail((error as Error).message);
      throw error;
    }
  } finally {
    await lock.release();
  }
}

function said(name: string, undo: boolean, cut: number): string {
  if (undo) return `${name} is in the pool again`;
  const ended = cut === 0 ? "" : `; ${cut} sessions did not end in time and were cut`;
  return `${name} gets no clients until \`holdfast drain ${name} --undo\`${ended}`;
}

function appHost(
  topology: Parameters<typeof isService>[0],
  name: string | undefined,
): { readonly name: string; readonly topology: ServiceTopology } {
  if (name === undefined) throw badUsage("which app host?");
  if (isService(topology) && topology.app.hosts.includes(name)) return { name, topology };
  throw new HoldfastError(`${name} is no app host of ${topology.name}`, {
    fix: `its app hosts are: ${topology.app?.hosts.join(", ") ?? "none"}`,
    exitStatus: ExitStatus.usage,
  });
}

const badUsage = (found: string): HoldfastError =>
  new HoldfastError(found, { fix: `usage: ${usage}`, exitStatus: ExitStatus.usage });
