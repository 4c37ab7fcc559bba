/** Undo of what only this machine can undo (power, cables) that outlives the drill. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { HoldfastError } from "../lib/errors.ts";

export interface DeadMan {
  /**
   * Starts a helper that undoes as soon as this process is gone, however it went.
   * @param targets machines to power on, resume and plug in; `CLIENTS`: the clients' cable
   * @returns a function that ends the helper without an undo; call it when the fault is healed
   * @throws HoldfastError when the helper cannot be started: then nothing may be broken
   */
  watch(targets: readonly string[]): Promise<() => Promise<void>>;
}

/** What the helper is told when everything is healed already. */
export const HEALED = "healed";
/** Stands for the clients' cable among the targets; no machine has such a name. */
export const CLIENTS = "_clients";

/** The helper is a small program, but loads a large bundle on a busy machine. */
const START_LIMIT_MS = 20_000;

/**
 * The helper holds the reading end of a pipe whose only writer is this process: the kernel closes it
 * when this process dies, also by SIGKILL, and that is the sign to act.
 * @param argvFor how to start the helper; it writes a line once it watches
 */
export function createDeadMan(argvFor: (targets: readonly string[]) => readonly string[]): DeadMan {
  return {
    async watch(targets) {
      const [command = "", ...args] = argvFor(targets);
      // A process group of its own: Ctrl-C is the drill's to handle.
      const child = spawn(command, args, { detached: true, stdio: ["pipe", "pipe", "ignore"] });
      child.stdin.on("error", () => undefined); // it has ended: `exit` says so
      const limit = new AbortController();
      const timer = setTimeout(() => limit.abort(), START_LIMIT_MS);
      const exited = once(child, "exit").then(() => {
        throw new Error("it ended at once");
      });
      exited.catch(() => undefined); // an exit later is the usual end
      try {
        await Promise.race([once(child.stdout, "data", { signal: limit.signal }), exited]);
      } catch (cause) {
        child.kill("SIGKILL");
        throw new HoldfastError(`cannot start the helper that would bring back ${targets.join(", ")}`, {
          cause,
        });
      } finally {
        clearTimeout(timer);
      }
      return async () => {
        child.stdin.end(`${HEALED}\n`);
        if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      };
    },
  };
}
