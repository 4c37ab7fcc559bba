import { link, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { parseTopology } from "../core/topology/parse.ts";
import { formatProblem } from "../core/topology/problem.ts";
import { editText, moveEdits, type Edit } from "../core/topology/rewrite.ts";
import { topologySchema, type Topology } from "../core/topology/schema.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { parseCommand } from "./arguments.ts";
import { blueprintNames, readBlueprint, type Blueprint } from "./blueprints.ts";
import type { CommandIo } from "./io.ts";
import { defaultFile } from "./load.ts";

export const usage = "holdfast init BLUEPRINT [--output FILE] [--name NAME] [--subnet CIDR] [--force]";

const options = {
  output: { type: "string", short: "o" },
  name: { type: "string" },
  subnet: { type: "string" },
  force: { type: "boolean" },
} as const;

interface Changes {
  readonly name?: string | undefined;
  readonly subnet?: string | undefined;
}

/** Writes a commented topology file from a blueprint; never over an existing file without --force. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals, values } = parseCommand(args, usage, options);
  const name = positionals[0];
  if (name === undefined) {
    const names = await blueprintNames(io.root);
    throw new HoldfastError("which blueprint?", {
      fix: `blueprints: ${names.join(", ")}; usage: ${usage}`,
      exitStatus: ExitStatus.usage,
    });
  }
  const file = resolve(io.cwd, values.output ?? defaultFile);
  const text = adapt(await readBlueprint(name, io.root), file, values);
  await writeNew(file, text, values.force === true);
  if (io.json) io.stdout(JSON.stringify({ type: "init", blueprint: name, file }));
  else io.stdout(`${file}: written from ${name}; next: edit it, then holdfast check`);
  return ExitStatus.ok;
}

/** The blueprint's text for another place, name and subnet. @throws HoldfastError (usage) */
function adapt(blueprint: Blueprint, file: string, changes: Changes): string {
  const { topology } = parseTopology(blueprint.text, blueprint.file);
  if (topology === undefined) throw new Error(`the blueprint ${blueprint.file} is invalid`);
  const text = editText(rebaseSchemaComment(blueprint, file), [
    // The package stays where the blueprint found it.
    ...(topology.app === undefined
      ? []
      : [{ path: ["app", "package"], value: rebase(topology.app.package, blueprint.file, file) }]),
    ...(changes.name === undefined ? [] : [{ path: ["name"], value: validName(changes.name) }]),
    ...(changes.subnet === undefined ? [] : subnetEdits(topology, changes.subnet)),
  ]);
  const { problems } = parseTopology(text, file);
  if (problems.length === 0) return text;
  throw new HoldfastError(
    `the blueprint does not fit these options\n${problems.map((problem) => formatProblem(problem, text)).join("\n")}`,
    { fix: "choose another --subnet", exitStatus: ExitStatus.usage },
  );
}

function validName(name: string): string {
  const parsed = topologySchema.shape.name.safeParse(name);
  if (parsed.success) return name;
  throw new HoldfastError(`--name ${name}: ${parsed.error.issues[0]?.message ?? "invalid"}`, {
    fix: "choose another name",
    exitStatus: ExitStatus.usage,
  });
}

function subnetEdits(topology: Topology, subnet: string): Edit[] {
  const parsed = topologySchema.shape.network.shape.subnet.safeParse(subnet);
  if (!parsed.success) {
    throw new HoldfastError(`--subnet ${subnet}: ${parsed.error.issues[0]?.message ?? "invalid"}`, {
      fix: "write it like 10.77.20.0/24",
      exitStatus: ExitStatus.usage,
    });
  }
  const edits = moveEdits(topology, subnet);
  if (edits !== undefined) return edits;
  throw new HoldfastError(`--subnet ${subnet} is too small for the blueprint's addresses`, {
    fix: `use a subnet as large as the blueprint's own (${topology.network.subnet})`,
    exitStatus: ExitStatus.usage,
  });
}

/** A relative path written for a file in one place, for a file in another. */
function rebase(path: string, from: string, to: string): string {
  return relative(dirname(to), resolve(dirname(from), path));
}

/** The comment that tells editors where the schema is holds a relative path as well. */
function rebaseSchemaComment({ text, file: from }: Blueprint, to: string): string {
  return text.replace(
    /^(# yaml-language-server: \$schema=)(\S+)/m,
    (_line, comment: string, path: string) => comment + rebase(path, from, to),
  );
}

/**
 * Complete or not at all: a temporary file beside it, then a link (which never replaces) or a rename.
 * @throws HoldfastError
 */
async function writeNew(file: string, text: string, force: boolean): Promise<void> {
  let directory: string | undefined;
  try {
    directory = await mkdtemp(join(dirname(file), ".holdfast-init-"));
    const temporary = join(directory, "topology");
    await writeFile(temporary, text, { flush: true });
    await (force ? rename(temporary, file) : link(temporary, file));
  } catch (error) {
    throw writeError(file, error as NodeJS.ErrnoException);
  } finally {
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  }
}

function writeError(file: string, error: NodeJS.ErrnoException): HoldfastError {
  const because = { cause: error, exitStatus: ExitStatus.usage };
  if (error.code === "EEXIST") {
    return new HoldfastError(`${file} exists already`, {
      fix: "choose another --output, or add --force to replace it",
      ...because,
    });
  }
  if (error.code === "ENOENT") {
    return new HoldfastError(`there is no directory ${dirname(file)}`, {
      fix: "create it first",
      ...because,
    });
  }
  return new HoldfastError(`cannot write ${file}: ${error.message}`, {
    fix: "choose another --output",
    cause: error,
  });
}
