import type { Host } from "../ports.ts";

export interface JournalQuery {
  readonly unit?: string;
  /** The last so many; default 100. */
  readonly lines?: number;
  /** As journalctl's --since: "2026-01-31 12:00:00", "-5min", "@1767225600". */
  readonly since?: string;
}

/** Lines of the host's journal, oldest first; empty when there are none. */
export async function journal(host: Host, query: JournalQuery = {}): Promise<string> {
  const result = await host.run([
    "journalctl",
    "--no-pager",
    "--quiet",
    "--output=short-precise",
    `--lines=${query.lines ?? 100}`,
    ...(query.unit === undefined ? [] : [`--unit=${query.unit}`]),
    ...(query.since === undefined ? [] : [`--since=${query.since}`]),
  ]);
  return result.stdout;
}
