import { HoldfastError } from "../../lib/errors.ts";
import { lastLines } from "../../lib/exec.ts";
import type { Host } from "../../ports.ts";

/** Milliseconds that copying a database may take: nobody knows how large it is. */
export const COPY_MS = 24 * 3_600_000;

export const asPostgres = (...argv: string[]): string[] => ["runuser", "-u", "postgres", "--", ...argv];

interface ShellOptions {
  readonly args?: readonly string[];
  readonly timeoutMs?: number;
  readonly fix?: string;
}

/**
 * Runs a script as root on the host; its arguments are $1, $2, …
 * @param what as it reads after "cannot": "stop Patroni"
 * @returns its standard output
 * @throws HoldfastError with its last words when it fails; HostUnreachable
 */
export async function shell(
  host: Host,
  what: string,
  script: string,
  { args = [], timeoutMs = 60_000, fix }: ShellOptions = {},
): Promise<string> {
  return command(host, what, ["sh", "-euc", script, "sh", ...args], { timeoutMs, ...(fix ? { fix } : {}) });
}

/** As `shell`, for one command. */
export async function command(
  host: Host,
  what: string,
  argv: readonly string[],
  { timeoutMs = 60_000, fix, stdin }: Omit<ShellOptions, "args"> & { readonly stdin?: string } = {},
): Promise<string> {
  const { code, stdout, stderr } = await host.run(argv, {
    timeoutMs,
    ...(stdin === undefined ? {} : { stdin }),
  });
  if (code === 0) return stdout;
  const why = lastLines(stderr.trim() === "" ? stdout : stderr, 6) || `exit ${code}`;
  throw new HoldfastError(`${host.name}: cannot ${what}: ${why}`, fix === undefined ? {} : { fix });
}

/** One query as the superuser through a socket in `directory`; columns apart by a space. */
export const psql = (directory: string, port: number, database: string, query: string): string[] =>
  asPostgres("psql", "-XAtq", "-F", " ", "-h", directory, "-p", String(port), "-d", database, "-c", query);
