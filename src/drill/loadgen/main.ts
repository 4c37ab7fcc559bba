/** The load generator's process: configured on stdin, which must stay open as long as its driver lives. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { HoldfastError } from "../../lib/errors.ts";
import { parseGeneratorConfig, type LoadMessage } from "./config.ts";
import { generateLoad, type LoadControl } from "./load.ts";
import { observe } from "./observe.ts";
import { readBackWrites } from "./readback.ts";

/**
 * Runs until `stop` aborts (a clean end: answers still out are awaited), the time limit passes, or the
 * driver is gone: then it gives up at once, so that a killed drill leaves no load behind.
 * @throws HoldfastError when the driver is gone or the history cannot be written
 */
export async function runLoadGenerator(
  stdin: Readable,
  emit: (message: LoadMessage) => void,
  stop: AbortSignal,
): Promise<void> {
  const lines = createInterface({ input: stdin });
  const driver = new AbortController();
  lines.once("close", () => driver.abort());
  try {
    const [line] = (await once(lines, "line", { signal: driver.signal })) as [string];
    await act(parseGeneratorConfig(line), emit, { stop, abandon: driver.signal });
  } catch (error) {
    if (!driver.signal.aborted) throw error;
  } finally {
    stdin.destroy(); // or it would keep this process alive
  }
  if (driver.signal.aborted) throw new HoldfastError("the drill that started this load generator is gone");
}

async function act(
  config: ReturnType<typeof parseGeneratorConfig>,
  emit: (message: LoadMessage) => void,
  control: LoadControl,
): Promise<void> {
  if (config.mode === "read-back") {
    const { count, to } = await readBackWrites(config, AbortSignal.any([control.stop, control.abandon]));
    return emit({ type: "ended", requests: count, to });
  }
  preferThisProcess();
  return config.mode === "load" ? generateLoad(config, emit, control) : observe(config, emit, control);
}

/**
 * A measuring instrument must not wait for the CPU behind what it measures. A nice value counts only
 * within the session's own group of processes; real-time scheduling counts everywhere, and the kernel
 * bounds it (95 % of the time). The least such priority: it needs some 15 % of one core at 200/s.
 */
function preferThisProcess(): void {
  const argv = ["--rr", "--all-tasks", "--pid", "1", String(process.pid)];
  // Without the right to it (or the tool) the send lag says whether it mattered.
  execFile("chrt", argv, () => undefined);
}
