import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { writeFileAtomic } from "../lib/atomic.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";
import { loadState } from "../run/state.ts";
import { parseCommand } from "./arguments.ts";
import type { CommandIo } from "./io.ts";
import { loadTopology } from "./load.ts";

export const usage = "holdfast render [FILE|BLUEPRINT] --output DIRECTORY [--json]";

/** Writes every file that `up` would put on the hosts, one folder per host, for review. Secret files are left out. */
export async function run(args: readonly string[], io: CommandIo): Promise<ExitStatus> {
  const { positionals, values } = parseCommand(args, usage, { output: { type: "string" } });
  if (values.output === undefined) {
    throw new HoldfastError("no --output directory is given", { fix: usage, exitStatus: ExitStatus.usage });
  }
  const output = resolve(io.cwd, values.output);
  const loaded = await loadTopology(positionals[0], io);
  const { desired } = await loadState(loaded.topology, loaded.file, io.root, io.home);
  let written = 0;
  let left = 0;
  for (const host of desired.values()) {
    for (const file of host.files) {
      if (file.secret || file.content.kind !== "text") {
        left += 1;
        continue;
      }
      const path = join(output, host.host, file.path);
      await mkdir(dirname(path), { recursive: true });
      await writeFileAtomic(path, file.content.text, 0o644);
      written += 1;
    }
  }
  if (io.json) io.stdout(JSON.stringify({ type: "render", output, written, left }));
  else io.stdout(`${written} files in ${output}; ${left} with secrets or binary content left out`);
  return ExitStatus.ok;
}
