/** What the bench's clients saw, and what follows from it. Pure. */

export interface ClientSettings {
  readonly file: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly ca: string;
  readonly proxyPort: number;
  readonly directPort: number;
  /** Addresses of the data hosts. */
  readonly hosts: readonly string[];
  readonly connections: number;
  readonly everyMs: number;
  /** Between two writes straight to one data host. */
  readonly directMs: number;
  /** A query without an answer by then breaks its connection. */
  readonly deadlineMs: number;
  readonly retryMs: number;
}

export interface WriteLine {
  readonly id: number;
  readonly path: string;
  /** ms on the kernel's monotonic clock */
  readonly sent: number;
  readonly done: number;
  readonly outcome: "ok" | "failed" | "unknown";
  /** Address of the PostgreSQL that acknowledged it. */
  readonly server: string;
  readonly error?: string;
}

export const parseLedger = (text: string): WriteLine[] =>
  text
    .split("\n")
    .filter((line) => line.endsWith("}"))
    .map((line) => JSON.parse(line) as WriteLine);

export interface RunResult {
  /** Longest time without an acknowledged write through the proxy, ms; null: none after the fault. */
  readonly outageMs: number | null;
  readonly acknowledged: number;
  readonly lost: number;
  /** Writes that a server acknowledged although sent after another had taken over. */
  readonly twice: number;
}

/**
 * @param at when the fault was injected
 * @param present ids that are in the table at the end
 */
export function judgeRun(lines: readonly WriteLine[], at: number, present: ReadonlySet<number>): RunResult {
  const ok = lines.filter(({ outcome }) => outcome === "ok");
  return {
    outageMs: longestGap(
      ok.filter(({ path }) => path === "proxy").map(({ done }) => done),
      at,
    ),
    acknowledged: ok.length,
    lost: ok.filter(({ id }) => !present.has(id)).length,
    twice: servedTwice(ok),
  };
}

/** Between acknowledgements, from the last before the fault on. */
export function longestGap(done: readonly number[], at: number): number | null {
  const sorted = done.toSorted((one, other) => one - other);
  const after = sorted.filter((time) => time >= at);
  if (after.length === 0) return null;
  const before = sorted.findLast((time) => time < at) ?? at;
  return Math.max(...after.map((time, index) => time - (after[index - 1] ?? before)));
}

function servedTwice(ok: readonly WriteLine[]): number {
  const firstBy = new Map<string, number>();
  for (const { server, done } of ok) firstBy.set(server, Math.min(firstBy.get(server) ?? done, done));
  const order = [...firstBy].sort(([, one], [, other]) => one - other).map(([server]) => server);
  return ok.filter(({ server, sent }) => {
    const successor = order[order.indexOf(server) + 1];
    return successor !== undefined && sent > (firstBy.get(successor) ?? Infinity);
  }).length;
}

const seconds = (ms: number | undefined): string => ((ms ?? 0) / 1000).toFixed(2);

/** "min/median/max" in seconds; null is a run in which writes never came back. */
export function spread(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null).toSorted((one, other) => one - other);
  const missing = values.length - known.length;
  if (known.length === 0) return "never";
  const median = known[Math.floor((known.length - 1) / 2)];
  const never = missing === 0 ? "" : ` (${missing} never)`;
  return `${seconds(known[0])}/${seconds(median)}/${seconds(known.at(-1))}${never}`;
}
