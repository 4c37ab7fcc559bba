import { HoldfastError } from "../lib/errors.ts";
import { lastLines } from "../lib/exec.ts";
import type { Host } from "../ports.ts";

export interface HostFile {
  readonly path: string;
  readonly content: string | Uint8Array;
  readonly mode: number;
  /** "user:group" */
  readonly owner: string;
  /** The engine's own checker, run on the new content before it replaces the old; `{file}` is its path. */
  readonly check?: readonly string[];
  /** Milliseconds for everything together; default 60,000. */
  readonly timeoutMs?: number;
}

/** Exit statuses of the script below that are not a failing command's own. */
const status = { write: 90, owner: 91, check: 92 } as const;

/**
 * Runs on the host with arguments PATH MODE OWNER [CHECK...]; the content is on standard input.
 * The temporary file keeps the final name's ending, which some checkers look at. A temporary left
 * by a writer that was killed is removed by the next one.
 */
const script = `
set -u
path=$1 mode=$2 owner=$3; shift 3
directory=$(dirname "$path")
umask 077
rm -f "$directory"/.holdfast-new.*."$(basename "$path")"
new="$directory/.holdfast-new.$$.$(basename "$path")"
trap 'rm -f "$new"' EXIT
cat > "$new" || exit ${status.write}
chown "$owner" "$new" && chmod "$mode" "$new" || exit ${status.owner}
if [ $# -gt 0 ]; then
  for argument do
    shift
    case $argument in *'{file}'*) argument="\${argument%%'{file}'*}$new\${argument#*'{file}'}" ;; esac
    set -- "$@" "$argument"
  done
  "$@" < /dev/null >&2 || exit ${status.check}
fi
sync "$new" || exit ${status.write}
mv -f -T "$new" "$path" || exit ${status.write}
sync "$directory" || exit ${status.write}
`;

/**
 * Replaces a file on a host: a reader, or a crash, sees the old content or the new one, never a
 * part, and a file that its checker refuses never takes the old one's place.
 * @throws HoldfastError when the checker refuses it (with the checker's output), the disk is full,
 *   the owner or the directory does not exist; HostUnreachable
 */
export async function writeFile(host: Host, file: HostFile): Promise<void> {
  const mode = file.mode.toString(8).padStart(4, "0");
  const argv = ["sh", "-c", script, "sh", file.path, mode, file.owner, ...(file.check ?? [])];
  const result = await host.run(argv, { stdin: file.content, timeoutMs: file.timeoutMs ?? 60_000 });
  if (result.code !== 0) throw writeError(host, file, result.code, result.stderr);
}

/**
 * The file's content as text; undefined when there is none.
 * @throws HoldfastError when it is there but cannot be read; HostUnreachable
 */
export async function readFile(host: Host, path: string): Promise<string | undefined> {
  const result = await host.run(["cat", "--", path]);
  if (result.code === 0) return result.stdout;
  if (/No such file or directory/.test(result.stderr)) return undefined;
  throw new HoldfastError(`${host.name}: cannot read ${path}: ${result.stderr.trim()}`);
}

function writeError(host: Host, file: HostFile, code: number, stderr: string): HoldfastError {
  const where = `${host.name}: cannot write ${file.path}`;
  const detail = lastLines(stderr, 20);
  if (/No space left on device|Disk quota exceeded/.test(detail)) {
    return new HoldfastError(`${where}: the disk is full`, {
      fix: `free some space on ${host.name} and run the same command again; the old file is untouched`,
    });
  }
  if (code === status.check) {
    return new HoldfastError(`${where}: ${file.check?.[0]} refuses the new content:\n${detail}`, {
      fix: "the old file is untouched; change what the message names and run it again",
    });
  }
  if (code === status.owner)
    return new HoldfastError(`${where}: owner ${file.owner} cannot be set: ${detail}`);
  return new HoldfastError(`${where}: ${detail || `exit ${code}`}`);
}
