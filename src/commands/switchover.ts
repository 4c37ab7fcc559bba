import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { takeLock } from "../run/lock.ts";
import { openProvider } from "../run/provider.ts";
import { stateDirectory } from "../run/state.ts";
import { planSwitchover, switchOverEntry } from "../run/switchover.ts";
import { parseCommand } from "./arguments.ts";
import { confirm } from "./confirm.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology } from "./load.ts";

export const usage = "holdfast switchover entry [FILE|BLUEPRINT] [--dry-run] [--yes] [--json]";

/** Moves a role to the host that stands by, gracefully: before maintenance of its holder. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const options = { yes: { type: "boolean" }, "dry-run": { type: "boolean" } } as const;
  const { positionals, values } = parseCommand(args, usage, options, 2);
  const [tier, file] = positionals;
  if (tier !== "entry") {
    throw new HoldfastError(tier === undefined ? "which tier?" : `${tier} has no switchover`, {
      fix: `usage: ${usage}`,
      exitStatus: ExitStatus.usage,
    });
  }
  const { topology } = await loadTopology(file, io);
  const { hosts } = await openProvider(topology, io.home, io.reporter);
  const { from, to } = await planSwitchover(topology, hosts);
  const names = { from: from.name, to: to.name };
  if (values["dry-run"] === true) {
    const line = { type: "switchover", topology: topology.name, dryRun: true, ...names };
    io.stdout(io.json ? JSON.stringify(line) : `${from.name} would give the clients' address to ${to.name}`);
    return ExitStatus.ok;
  }
  await confirm(`Move the clients' address from ${from.name} to ${to.name}?`, values.yes === true, io);
  const lock = await takeLock(stateDirectory(io.home, topology.name), "switchover");
  try {
    const done = await switchOverEntry(topology, hosts, io.reporter);
    if (io.json) io.stdout(JSON.stringify({ type: "switchover", topology: topology.name, ...done }));
    else {
      const cut = done.cut === 0 ? "" : `; ${done.cut} connections did not end in time and were cut`;
      io.stdout(`${done.to} holds the clients' address; ${done.from} stands by${cut}`);
    }
    return ExitStatus.ok;
  } finally {
    await lock.release();
  }
}
