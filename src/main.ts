/** argv, error printing, exit status: nothing else in Holdfast does these. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Command, CommandIo } from "./commands/io.ts";
import { commands, usage } from "./commands/registry.ts";
import { nearest } from "./core/topology/suggest.ts";
import { ExitStatus, HoldfastError } from "./lib/errors.ts";
import { openTerminal } from "./lib/terminal.ts";
import { version } from "./lib/version.ts";

/** Written to a pipe whose reader has gone (`| head`): nothing is left to say, and that is no error. */
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(ExitStatus.ok);
  });
}

function findRoot(): string {
  for (let directory = dirname(process.argv[1] ?? "."); ; directory = dirname(directory)) {
    if (existsSync(join(directory, "blueprints"))) return directory;
    if (directory === dirname(directory)) return process.cwd();
  }
}

function findCommand(name: string): Command {
  const command = commands.get(name);
  if (command !== undefined) return command.run;
  const similar = nearest(name, commands.keys());
  throw new HoldfastError(`there is no command ${name}`, {
    fix:
      similar === undefined ? "`holdfast help` lists the commands" : `did you mean \`holdfast ${similar}\`?`,
    exitStatus: ExitStatus.usage,
  });
}

const stdout = (line: string): void => void process.stdout.write(`${line}\n`);
const stderr = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(argv: readonly string[]): Promise<ExitStatus> {
  const [name = "help", ...args] = argv;
  if (["help", "--help", "-h"].includes(name)) {
    process.stdout.write(usage());
    return ExitStatus.ok;
  }
  if (["version", "--version", "-V"].includes(name)) {
    process.stdout.write(`${version}\n`);
    return ExitStatus.ok;
  }
  const json = args.includes("--json");
  const terminal = openTerminal({
    write: (text) => void process.stderr.write(text),
    tty: process.stderr.isTTY,
    columns: () => process.stderr.columns ?? 80,
    now: Date.now,
    ...(json ? { events: stdout } : {}),
  });
  const io: CommandIo = {
    stdout,
    stderr,
    reporter: terminal,
    json,
    root: findRoot(),
    home: process.env["HOLDFAST_HOME"] ?? "/var/lib/holdfast",
    cwd: process.cwd(),
    interactive: process.stdin.isTTY && process.stderr.isTTY && !args.includes("--no-input"),
    signal: interruptSignal(),
  };
  try {
    return await findCommand(name)(args, io);
  } catch (error) {
    terminal.close();
    return printError(error, json);
  } finally {
    terminal.close();
  }
}

/** The first Ctrl-C asks to stop at the next safe point, the second ends at once. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      stderr("stopping at the next safe point; once more to stop at once");
      controller.abort();
    });
  }
  return controller.signal;
}

function printError(error: unknown, json: boolean): ExitStatus {
  if (!(error instanceof HoldfastError)) {
    const { stack, message } = error as Error;
    process.stderr.write(`holdfast: internal error, please report it:\n${stack ?? message}\n`);
    return ExitStatus.error;
  }
  if (json)
    process.stdout.write(
      `${JSON.stringify({ type: "error", found: error.message, fix: error.fix ?? null })}\n`,
    );
  process.stderr.write(
    `holdfast: ${error.message}\n${error.fix === undefined ? "" : `  fix: ${error.fix}\n`}`,
  );
  return error.exitStatus;
}

/** Set rather than exited with, so that what was written to a pipe gets out first. */
async function start(): Promise<void> {
  process.exitCode = await main(process.argv.slice(2));
}
void start();
