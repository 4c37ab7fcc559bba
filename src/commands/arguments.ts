import { parseArgs, type ParseArgsConfig } from "node:util";
import { nearest } from "../core/topology/suggest.ts";
import { ExitStatus, HoldfastError } from "../lib/errors.ts";

type Options = NonNullable<ParseArgsConfig["options"]>;

/** Flags that every command takes; main acts on them. */
const common = { json: { type: "boolean" }, "no-input": { type: "boolean" } } as const;

/**
 * node:util parseArgs, with errors an operator can act on.
 * @param usage one line, shown in errors: `holdfast up [FILE] [--yes]`
 */
export function parseCommand<T extends Options>(
  args: readonly string[],
  usage: string,
  options: T,
  positionals = 1,
) {
  try {
    const parsed = parseArgs({ args: [...args], options: { ...common, ...options }, allowPositionals: true });
    const extra = parsed.positionals[positionals];
    if (extra !== undefined) throw new Error(`Unexpected argument '${extra}'`);
    return parsed;
  } catch (error) {
    const message = (error as Error).message.split(". ")[0] ?? "";
    const flag = /'--([^' ]+)/.exec(message)?.[1];
    const similar = flag === undefined ? undefined : nearest(flag, Object.keys({ ...common, ...options }));
    const hint = similar === undefined || similar === flag ? "" : `did you mean --${similar}? `;
    throw new HoldfastError(message, { fix: `${hint}usage: ${usage}`, exitStatus: ExitStatus.usage });
  }
}
