/**
 * A change of a host that ends by itself: a transient unit on the host undoes it when it is stopped,
 * when it is killed, and when the drill has not been heard of for a while.
 */
import { HoldfastError } from "../lib/errors.ts";
import { lastLines } from "../lib/exec.ts";
import type { Host } from "../ports.ts";

/** A driver that was not heard of for so long is dead: at most this, and the undo, after a kill -9. */
const FUSE_SECONDS = 12;
/** Several in a fuse's time, so that a late one on a busy machine does not end the fault. */
const HEARTBEAT_MS = 3000;

export interface Change {
  /** Part of the unit's name: unique among the faults that are open on the host. */
  readonly id: string;
  /** Shell scripts, run as root. `undo` works by level: also when `inject` did not run, or only in part. */
  readonly inject: string;
  readonly undo: string;
}

export interface GuardedChange {
  /** @throws HoldfastError when the guard or the change itself fails; what was done is undone by `end` */
  begin(): Promise<void>;
  /** Null, or that the host's guard has undone it already (or that nobody can tell): ask before `end`. */
  endedEarly(): Promise<string | null>;
  /** Undoes it; nothing when the host's guard has done so already. */
  end(): Promise<void>;
}

/** Nothing happens before `begin`. */
export function guardedChange(host: Host, change: Change): GuardedChange {
  const directory = `/run/holdfast-drill/${change.id}`;
  const unit = `holdfast-drill-${change.id}.service`;
  let heartbeat: NodeJS.Timeout | undefined;
  return {
    async begin() {
      await shell(host, armScript(directory, unit, change.undo), "arm the undo");
      // A beat that fails is a host that cannot be reached: its guard will undo by itself.
      heartbeat = setInterval(
        () =>
          void host.run(["touch", `${directory}/alive`], { timeoutMs: HEARTBEAT_MS }).catch(() => undefined),
        HEARTBEAT_MS,
      );
      await shell(host, change.inject, "inject");
    },
    async endedEarly() {
      try {
        const { code } = await host.run(["systemctl", "is-active", "--quiet", unit]);
        return code === 0
          ? null
          : `the undo fired early: ${host.name} had not heard of the drill for ${FUSE_SECONDS} s`;
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        return `the undo may have fired early: ${error.message}`;
      }
    },
    async end() {
      clearInterval(heartbeat);
      // Not loaded: the guard has ended, and undone, before us.
      await shell(host, `systemctl stop ${unit} 2>/dev/null || true\nrm -rf ${directory}`, "undo");
    },
  };
}

/** Runs a script as root on the host. @throws HoldfastError when it fails */
export async function shell(host: Host, script: string, what: string): Promise<string> {
  const { code, stdout, stderr } = await host.run(["sh", "-s"], { stdin: `set -eu\n${script}\n` });
  if (code === 0) return stdout;
  throw new HoldfastError(`${host.name}: cannot ${what}: ${lastLines(stderr || stdout, 3)}`);
}

/** Counts seconds instead of reading a clock: a fault may change that. */
const guardScript = (directory: string): string => `n=${FUSE_SECONDS}
while [ "$n" -gt 0 ]; do
  rm ${directory}/alive 2>/dev/null && n=${FUSE_SECONDS}
  n=$((n - 1))
  sleep 1
done`;

const armScript = (directory: string, unit: string, undo: string): string => `umask 077
mkdir -p ${directory}
cat > ${directory}/undo <<'END_OF_SCRIPT'
${undo}
END_OF_SCRIPT
cat > ${directory}/guard <<'END_OF_SCRIPT'
${guardScript(directory)}
END_OF_SCRIPT
systemd-run --quiet --collect --unit=${unit} --property='ExecStopPost=/bin/sh ${directory}/undo' /bin/sh ${directory}/guard`;

/** One word of a shell script, whatever it holds. */
export const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;
