/** How every command gets its topology: found, parsed, checked, or refused with every mistake. */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { runChecks } from "../core/checks/registry.ts";
import { parseTopology } from "../core/topology/parse.ts";
import { formatProblem, isBlocking, type Problem } from "../core/topology/problem.ts";
import type { Topology } from "../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { readPresent } from "../run/pool/record.ts";
import { blueprintNames, readBlueprint } from "./blueprints.ts";
import { gatherFacts } from "./facts.ts";
import type { CommandIo } from "./io.ts";

export interface LoadedTopology {
  /** Of what exists: without the app hosts that are not members of the pool now. */
  readonly topology: Topology;
  readonly text: string;
  /** Absolute path of the file. */
  readonly file: string;
  /** Findings of the rules, accepted ones too. */
  readonly problems: readonly Problem[];
}

export const defaultFile = "holdfast.yaml";

type Place = Pick<CommandIo, "cwd" | "root"> & Partial<Pick<CommandIo, "home">>;

/**
 * @param argument a file, or a blueprint's name; default ./holdfast.yaml
 * @throws HoldfastError (usage) when the file cannot be read or is invalid, naming every mistake.
 *   Findings of the rules do not throw: see refuseErrors().
 */
export async function loadTopology(argument: string | undefined, io: Place): Promise<LoadedTopology> {
  const { file, text } = await readTopologyFile(argument, io);
  const { topology, problems, positions } = parseTopology(text, file);
  if (topology === undefined) throw invalidTopology(file, text, problems);
  const facts = await gatherFacts(topology, file);
  return {
    topology: io.home === undefined ? topology : await readPresent(topology, io.home),
    text,
    file,
    problems: runChecks(topology, facts, positions.value),
  };
}

/** @throws HoldfastError (usage) when there are errors that nobody accepted, naming them. */
export function refuseErrors({ file, text, problems }: LoadedTopology): void {
  const blocking = problems.filter(isBlocking);
  if (blocking.length === 0) return;
  const list = blocking.map((problem) => formatProblem(problem, text)).join("\n");
  throw new HoldfastError(`${file} has ${count(blocking.length, "error")}\n${list}`, {
    fix: "correct them, or accept each with a reason under `accept`; `holdfast check` shows warnings too",
    exitStatus: ExitStatus.usage,
  });
}

/** The text of the topology file that a command's argument names. @throws HoldfastError (usage) */
export async function readTopologyFile(
  argument: string | undefined,
  { cwd, root }: Place,
): Promise<{ file: string; text: string }> {
  const file = resolve(cwd, argument ?? defaultFile);
  try {
    return { file, text: await readFile(file, "utf8") };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && argument !== undefined && !/[./]/.test(argument)) {
      return readBlueprint(argument, root);
    }
    const names = await blueprintNames(root);
    throw new HoldfastError(code === "ENOENT" ? `there is no ${file}` : `cannot read ${file}: ${message}`, {
      fix: `name a topology file or a blueprint (${names.join(", ")}); \`holdfast init <blueprint>\` writes one`,
      exitStatus: ExitStatus.usage,
      cause: error,
    });
  }
}

/** The error that names every mistake of an invalid file. */
function invalidTopology(file: string, text: string, problems: readonly Problem[]): HoldfastError {
  const list = problems.map((problem) => formatProblem(problem, text)).join("\n");
  return new HoldfastError(`${file} is not a valid topology: ${count(problems.length, "mistake")}\n${list}`, {
    fix: "correct the file; docs/topology.md describes every key",
    exitStatus: ExitStatus.usage,
  });
}

export const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? "" : "s"}`;
