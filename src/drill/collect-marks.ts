/** Reads the engines' own account of a fault from the journals of all hosts. */
import { appendFile } from "node:fs/promises";
import { join } from "node:path";
import { journalIdentifiers } from "../core/drill/engine-lines.ts";
import { type EngineMark, type JournalLine, marksIn } from "../core/drill/engine-marks.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Host } from "../ports.ts";

/** One line of `engine-marks.jsonl`: the marks of one fault's window. */
export interface CollectedMarks {
  /** Window on the run's clock, ms. */
  readonly from: number;
  readonly to: number;
  readonly marks: readonly EngineMark[];
  /** Hosts whose journal could not be read, and why: what they did is not in the marks. */
  readonly unread: readonly { readonly host: string; readonly why: string }[];
}

export interface MarksWindow {
  readonly from: number;
  readonly to: number;
  /** The run's clock: milliseconds since the start of the load, now. */
  readonly now: () => number;
}

/** A dying engine can write hundreds of lines a second; the newest are kept. */
const MAX_LINES = 20_000;
/** A host under load is slow to page through its journal. */
const TIMEOUT_MS = 20_000;
/** The real-time clock may have been set meanwhile; what is read too much is left out afterwards. */
const SLACK_MS = 10_000;

export const marksFile = (folder: string): string => join(folder, "engine-marks.jsonl");

/** Reads the journals and appends what they say of the window to the run's folder. */
export async function recordMarks(
  folder: string,
  hosts: readonly Host[],
  window: MarksWindow,
): Promise<CollectedMarks> {
  const collected = await collectMarks(hosts, window);
  await appendFile(marksFile(folder), `${JSON.stringify(collected)}\n`, { mode: 0o600 });
  return collected;
}

/** What the engines on all hosts did in the window. A host that is off is named, not an error. */
export async function collectMarks(hosts: readonly Host[], window: MarksWindow): Promise<CollectedMarks> {
  const { from, to } = window;
  const unread: { host: string; why: string }[] = [];
  const lines = await Promise.all(
    hosts.map((host) =>
      readJournal(host, window).catch((error: unknown) => {
        if (!(error instanceof HoldfastError)) throw error;
        unread.push({ host: host.name, why: error.message });
        return [];
      }),
    ),
  );
  return { from, to, marks: marksIn(lines.flat()), unread };
}

async function readJournal(host: Host, { from, to, now }: MarksWindow): Promise<JournalLine[]> {
  // The real-time clock bounds what is read, generously; which lines count is decided on the run's clock.
  const realZero = Date.now() - now();
  const around = (ms: number, slackMs: number): string => `@${((realZero + ms + slackMs) / 1000).toFixed(3)}`;
  const { code, stdout, stderr } = await host.run(
    [
      "journalctl",
      ..."--output=json --quiet --no-pager --all".split(" "),
      "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,UNIT,_SYSTEMD_UNIT",
      `--since=${around(from, -SLACK_MS)}`,
      `--until=${around(to, SLACK_MS)}`,
      `--lines=${MAX_LINES}`,
      ...matches,
    ],
    { timeoutMs: TIMEOUT_MS },
  );
  if (code !== 0) throw new HoldfastError(`journalctl on ${host.name} failed: ${stderr.trim()}`);
  // Lab machines share the kernel's monotonic clock with the load generator: no step of the real-time
  // clock moves a mark.
  const zero = Number(process.hrtime.bigint()) / 1e6 - now();
  return parseJournal(stdout, host.name, zero).filter(({ at }) => at >= from && at <= to);
}

/** Alternatives: any line of these programs, systemd's own, the agent's, and HAProxy's but for requests. */
const matches: readonly string[] = [
  ...journalIdentifiers.flatMap((identifier) => [`SYSLOG_IDENTIFIER=${identifier}`, "+"]),
  "_SYSTEMD_UNIT=holdfast-agent.service",
  "+",
  "SYSLOG_IDENTIFIER=systemd",
  "_PID=1",
  "+",
  "SYSLOG_IDENTIFIER=haproxy",
  ...[0, 1, 2, 3, 4, 5].map((priority) => `PRIORITY=${priority}`), // requests are logged at 6
];

/**
 * Lines of `journalctl --output=json`; a line that is damaged is left out.
 * @param zeroMs the start of the load on the kernel's monotonic clock, ms
 */
export function parseJournal(text: string, host: string, zeroMs: number): JournalLine[] {
  return text.split("\n").flatMap((line) => {
    const entry = parseEntry(line);
    if (entry === null) return [];
    const field = (name: string): string => textOf(entry[name]);
    const at = Number(field("__MONOTONIC_TIMESTAMP")) / 1000 - zeroMs;
    if (!Number.isFinite(at)) return [];
    const unit = field("UNIT") || field("_SYSTEMD_UNIT");
    return [{ at, host, identifier: field("SYSLOG_IDENTIFIER"), unit, message: field("MESSAGE") }];
  });
}

function parseEntry(line: string): Record<string, unknown> | null {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === "object" && entry !== null ? (entry as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** A field with bytes that are no UTF-8 comes as a list of numbers. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return Array.isArray(value) ? Buffer.from(value as number[]).toString("utf8") : "";
}
