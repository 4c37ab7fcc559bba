import { isService, type Topology } from "../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import type { Host } from "../ports.ts";
import { planDatabaseSwitchover, switchOverDatabase } from "../run/database-switchover.ts";
import { takeLock } from "../run/lock.ts";
import { openProvider } from "../run/provider.ts";
import { stateDirectory } from "../run/state.ts";
import { planSwitchover, switchOverEntry } from "../run/switchover.ts";
import { parseCommand } from "./arguments.ts";
import { confirm } from "./confirm.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology } from "./load.ts";

export const usage =
  "holdfast switchover entry|database [FILE|BLUEPRINT] [--to HOST] [--dry-run] [--yes] [--json]";

/** What is about to happen, to be agreed to, and how to do it. */
interface Move {
  /** As it reads in "data1 would …". */
  readonly from: string;
  readonly would: string;
  readonly question: string;
  readonly fields: Readonly<Record<string, unknown>>;
  perform(): Promise<{ readonly line: string; readonly fields: Readonly<Record<string, unknown>> }>;
}

type Hosts = ReadonlyMap<string, Host>;

/** Moves a role to a host that stands by, gracefully: before maintenance of its holder. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const options = {
    yes: { type: "boolean" },
    "dry-run": { type: "boolean" },
    to: { type: "string" },
  } as const;
  const { positionals, values } = parseCommand(args, usage, options, 2);
  const [tier, file] = positionals;
  if (tier !== "entry" && tier !== "database") {
    throw misused(tier === undefined ? "which tier?" : `${tier} has no switchover`);
  }
  if (tier === "entry" && values.to !== undefined) throw misused("only one entry host stands by: no --to");
  const { topology } = await loadTopology(file, io);
  const { hosts } = await openProvider(topology, io.home, io.reporter);
  const say = (line: string, fields: Readonly<Record<string, unknown>>): ExitStatus => {
    const event = { type: "switchover", topology: topology.name, tier, ...fields };
    io.stdout(io.json ? JSON.stringify(event) : line);
    return ExitStatus.ok;
  };
  const move =
    tier === "entry" ? await entry(topology, hosts, io) : await database(topology, hosts, io, values.to);
  if (move === null) return say(`${values.to} is the primary already`, { to: values.to, changed: false });
  if (values["dry-run"] === true) {
    return say(`${move.from} would ${move.would}`, { dryRun: true, ...move.fields });
  }
  await confirm(move.question, values.yes === true, io);
  const lock = await takeLock(stateDirectory(io.home, topology.name), "switchover");
  try {
    const { line, fields } = await move.perform();
    return say(line, fields);
  } finally {
    await lock.release();
  }
}

const misused = (found: string): HoldfastError =>
  new HoldfastError(found, { fix: `usage: ${usage}`, exitStatus: ExitStatus.usage });

async function entry(topology: Topology, hosts: Hosts, io: CommandIo): Promise<Move> {
  const { from, to } = await planSwitchover(topology, hosts);
  return {
    from: from.name,
    would: `give the clients' address to ${to.name}`,
    question: `Move the clients' address from ${from.name} to ${to.name}?`,
    fields: { from: from.name, to: to.name },
    async perform() {
      const done = await switchOverEntry(topology, hosts, io.reporter);
      const cut = done.cut === 0 ? "" : `; ${done.cut} connections did not end in time and were cut`;
      return {
        line: `${done.to} holds the clients' address; ${done.from} stands by${cut}`,
        fields: { ...done },
      };
    },
  };
}

/** @returns null when the wanted host is the primary already */
async function database(topology: Topology, hosts: Hosts, io: CommandIo, to?: string): Promise<Move | null> {
  if (!isService(topology)) throw new HoldfastError(`${topology.name} has no database`);
  const plan = await planDatabaseSwitchover(topology, hosts, to);
  if (plan === null) return null;
  const { from } = plan;
  const target = plan.to.join(" or ");
  const wait = plan.named ? " (writes wait some 2 s longer than without --to)" : "";
  return {
    from,
    would: `hand the database over to ${target}${wait}`,
    question: `Make ${target} the primary instead of ${from}?${wait} Sessions to ${from} end; writes wait for a moment.`,
    fields: { from, to: plan.to },
    async perform() {
      const primary = await switchOverDatabase(topology, hosts, plan, io.reporter);
      return { line: `${primary} is the primary; ${from} replicates it`, fields: { from, to: primary } };
    },
  };
}
