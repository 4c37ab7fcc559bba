/** Undo that outlives the drill: a detached process that acts after a time unless it is cancelled. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { HoldfastError } from "../lib/errors.ts";

export interface DeadMan {
  /** @returns a function that cancels it; call it when the fault is healed */
  powerOnLater(machine: string): Promise<() => void>;
}

/** Longer than any heal takes, so that it never acts beside a living drill. */
export const DEAD_MAN_SECONDS = 180;

/**
 * @param argvFor how to start the helper that powers the machine on after so many seconds
 * @throws (from powerOnLater) HoldfastError when the helper cannot be started: then nothing may be powered off
 */
export function createDeadMan(
  argvFor: (machine: string, seconds: number) => readonly string[],
  seconds = DEAD_MAN_SECONDS,
): DeadMan {
  return {
    async powerOnLater(machine) {
      const [command = "", ...args] = argvFor(machine, seconds);
      const child = spawn(command, args, { detached: true, stdio: "ignore" });
      await once(child, "spawn").catch((cause: unknown) => {
        throw new HoldfastError(`cannot start the helper that would power ${machine} on again`, { cause });
      });
      child.unref();
      return () => cancel(child);
    },
  };
}

function cancel(child: ChildProcess): void {
  // Not yet reaped, so the pid is still its own.
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
}
