/**
 * What the engines themselves wrote about a fault: moments at which one of them noticed it, chose what
 * to do, did it, and was back. Read from journal lines; a line that says none of these is no mark.
 */
import { engineLine, type LinePattern, patternsOf } from "./engine-lines.ts";

/**
 * `detect`: it noticed that something is wrong. `decide`: it chose what to do. `act`: it changed who
 * serves, or started what had died. `recovered`: it serves, or stands by, again.
 */
export const markKinds = ["detect", "decide", "act", "recovered"] as const;
export type MarkKind = (typeof markKinds)[number];

export interface EngineMark {
  /** Milliseconds since the start of the load: the run's clock. */
  readonly at: number;
  readonly host: string;
  /** `keepalived`, `haproxy`, `patroni`, `postgres`, `etcd`, `redis`, `systemd` or `agent`. */
  readonly engine: string;
  readonly kind: MarkKind;
  readonly text: string;
}

/** One line of a host's journal. */
export interface JournalLine {
  /** Milliseconds since the start of the load. */
  readonly at: number;
  readonly host: string;
  /** SYSLOG_IDENTIFIER: the program that wrote it. */
  readonly identifier: string;
  /** The unit that it is about, where systemd wrote it; else "". */
  readonly unit: string;
  readonly message: string;
}

/**
 * The marks in journal lines, by time. What an engine says several times in a row is one mark, at the
 * first: a dying PostgreSQL says the same once per connection.
 */
export function marksIn(lines: readonly JournalLine[]): EngineMark[] {
  const exited = new Set(lines.filter(isExit).map(({ host, unit }) => `${host} ${unit}`));
  const last = new Map<string, string>();
  const marks: EngineMark[] = [];
  for (const line of [...lines].sort((a, b) => a.at - b.at)) {
    const mark = markIn(line);
    if (mark === null) continue;
    // A machine that boots starts dozens of units: only engines, and what died before, tell of recovery.
    if (isStart(line) && !isEngineUnit(line.unit) && !exited.has(`${line.host} ${line.unit}`)) continue;
    const source = `${mark.host} ${mark.engine}`;
    if (last.get(source) === mark.text) continue;
    last.set(source, mark.text);
    marks.push(mark);
  }
  return marks;
}

/** The mark that one line is; null when it is none. */
export function markIn(line: JournalLine): EngineMark | null {
  const { engine, message } = engineLine(line);
  for (const pattern of patternsOf(engine)) {
    const match = pattern.test.exec(message);
    if (match === null) continue;
    return { at: line.at, host: line.host, engine, kind: pattern.kind, text: textOf(pattern, match, line) };
  }
  return null;
}

const MAX_TEXT = 160;

function textOf(pattern: LinePattern, match: RegExpExecArray, { unit }: JournalLine): string {
  const text = pattern.text
    .replaceAll(/\$(\d)/g, (_, group: string) => match[Number(group)] ?? "")
    .replaceAll("$unit", unit)
    .replace(" )", ")"); // a group that did not match
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}

const isStart = ({ identifier, message }: JournalLine): boolean =>
  identifier === "systemd" && message.startsWith("Started ");
const isExit = ({ identifier, message }: JournalLine): boolean =>
  identifier === "systemd" && / (Main process exited|Watchdog timeout|Scheduled restart job)/.test(message);
const isEngineUnit = (unit: string): boolean =>
  /^(haproxy|keepalived|nginx|patroni|etcd|holdfast-agent|redis-server@\d+)\.service$/.test(unit);

/** Engines whose marks tell how a fault of the tier was handled; of another tier: all. */
const enginesOfTier: ReadonlyMap<string, readonly string[]> = new Map([
  ["entry", ["keepalived", "agent", "haproxy", "systemd"]],
  ["app", ["haproxy", "systemd"]],
  ["database", ["patroni", "postgres", "haproxy", "systemd"]],
  ["coordination", ["etcd", "patroni", "systemd"]],
  ["cache", ["redis", "systemd"]],
]);

/**
 * How a fault was handled, in at most four moments: the first act after `from`, the first detection and
 * the first decision before it, the first recovery after it. Without an act: the first of each.
 */
export function handling(marks: readonly EngineMark[], from: number, tier: string): EngineMark[] {
  const engines = enginesOfTier.get(tier);
  const own = marks.filter(({ at, engine }) => at >= from && (engines?.includes(engine) ?? true));
  const act = own.find(({ kind }) => kind === "act");
  return markKinds.flatMap((kind) => {
    if (kind === "act") return act ?? [];
    const inOrder = ({ at }: EngineMark): boolean =>
      act === undefined || (kind === "recovered" ? at >= act.at : at <= act.at);
    return own.find((mark) => mark.kind === kind && inOrder(mark)) ?? [];
  });
}
