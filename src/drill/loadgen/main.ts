/** The load generator's process: configured on stdin, which must stay open as long as its driver lives. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { HoldfastError } from "../../lib/errors.ts";
import { parseLoadConfig, type LoadMessage } from "./config.ts";
import { generateLoad } from "./load.ts";
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
    const config = parseLoadConfig(line);
    if (config.mode === "load") await generateLoad(config, emit, { stop, abandon: driver.signal });
    else
      emit({ type: "ended", requests: await readBackWrites(config, AbortSignal.any([stop, driver.signal])) });
  } catch (error) {
    if (!driver.signal.aborted) throw error;
  } finally {
    stdin.destroy(); // or it would keep this process alive
  }
  if (driver.signal.aborted) throw new HoldfastError("the drill that started this load generator is gone");
}
