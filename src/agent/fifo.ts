import { constants, fstat as fstatCallback, open as openCallback } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { Socket } from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { HoldfastError } from "../lib/errors.ts";
import { exec } from "../lib/exec.ts";
import type { Reporter } from "../ports.ts";

const open = promisify(openCallback);
const fstat = promisify(fstatCallback);

/** How often the path is looked at: keepalived removes a FIFO that it made itself when it ends. */
const CHECK_MS = 1000;
/** A line is about 30 bytes; a sender that never ends one is not followed. */
const maxLine = 4096;

interface FifoReader {
  readonly onLine: (line: string) => void;
  /** From now on lines are seen: what happened before has to be looked up. */
  readonly onAttach: () => void;
  readonly signal: AbortSignal;
  readonly reporter: Reporter;
}

/**
 * Reads lines from a FIFO until `signal` aborts. The FIFO is made when it is not there (root only), and
 * opened anew when another file has taken its place.
 */
export async function readFifo(
  path: string,
  { onLine, onAttach, signal, reporter }: FifoReader,
): Promise<void> {
  let lastError = "";
  while (!signal.aborted) {
    try {
      await makeFifo(path);
      // For writing too, so that it stays open when the last writer has gone; and without waiting for one.
      const fd = await open(path, constants.O_RDWR | constants.O_NONBLOCK);
      const socket = new Socket({ fd, readable: true, writable: false });
      const gone = new AbortController();
      socket.on("error", () => gone.abort());
      socket.on("close", () => gone.abort());
      followLines(socket, onLine);
      onAttach();
      await untilReplaced(path, fd, AbortSignal.any([signal, gone.signal]));
      socket.destroy();
      lastError = "";
    } catch (error) {
      const { message } = error as Error;
      if (message !== lastError) reporter.warn(message);
      lastError = message;
      await sleep(CHECK_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

function followLines(socket: Socket, onLine: (line: string) => void): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = (lines.pop() ?? "").slice(-maxLine);
    for (const line of lines) onLine(line);
  });
}

async function untilReplaced(path: string, fd: number, signal: AbortSignal): Promise<void> {
  const own = await fstat(fd);
  while (!signal.aborted) {
    await sleep(CHECK_MS, undefined, { signal }).catch(() => undefined);
    const there = await stat(path).catch(() => null);
    if (there?.ino !== own.ino || there.dev !== own.dev) return;
  }
}

async function makeFifo(path: string): Promise<void> {
  const there = await stat(path).catch(() => null);
  if (there === null) {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await exec(["mkfifo", "-m", "600", path], { timeoutMs: 5000 });
  }
  // Somebody may have made it meanwhile, which is as good.
  const made = there ?? (await stat(path).catch(() => null));
  if (made?.isFIFO() !== true) {
    throw new HoldfastError(`${path} is not a FIFO and none can be made there`, {
      fix: `remove it: the agent makes it`,
    });
  }
}
