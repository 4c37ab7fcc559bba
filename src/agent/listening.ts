import { readFile } from "node:fs/promises";

/** In /proc/net/tcp. */
const LISTEN = "0A";

/**
 * The first of these TCP ports that somebody on this host listens on, on an address that others reach.
 * The hosts of a pair serve the same, so it is what the other one is asked by.
 */
export async function listeningPort(candidates: readonly number[]): Promise<number | null> {
  const open = new Set<number>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const text = await readFile(table, "utf8").catch(() => "");
    for (const line of text.split("\n").slice(1)) {
      const [, local = "", , state] = line.trim().split(/\s+/);
      const [address = "", port = ""] = local.split(":");
      // 127.x.x.x, written in the host's (little-endian) byte order.
      if (state === LISTEN && !(address.length === 8 && address.endsWith("7F")))
        open.add(Number.parseInt(port, 16));
    }
  }
  return candidates.find((port) => open.has(port)) ?? null;
}
