/** Probes and long-lived connections as lines of a picture. */
import type { Interval } from "../outages.ts";
import type { ObservedLine } from "./model.ts";

/** Records of `observations.jsonl` that tell of an interruption; others are not drawn. */
interface Probes {
  readonly kind: "probes";
  readonly protocol: string;
  readonly ok: boolean;
  readonly from: number;
  readonly to: number;
}
interface Connection {
  readonly kind: "connection";
  readonly name: string;
  readonly opened: number;
  readonly ended: number;
  readonly end: string;
  readonly silences: readonly Interval[];
}

/** One line per probe and per connection that existed in the window, quiet ones too: they show that nothing was cut. */
export function observedLines(observations: readonly unknown[], window: Interval): ObservedLine[] {
  const probes = observations.filter(isProbes);
  const protocols = [...new Set(probes.map(({ protocol }) => protocol))].sort();
  const probed = protocols.map((protocol) => ({
    name: `${protocol.toUpperCase()} probe`,
    gaps: probes.filter((run) => run.protocol === protocol && !run.ok && meets(run, window)),
    cut: null,
  }));
  const connections = observations
    .filter(isConnection)
    .filter(({ opened, ended }) => meets({ from: opened, to: ended }, window))
    .map(({ name, silences, end, ended }) => ({
      name,
      gaps: silences.filter((silence) => meets(silence, window)),
      cut: end === "cut" && ended <= window.to ? ended : null,
    }));
  return [...probed, ...merged(connections)];
}

/** A connection that is opened again after a cut goes on in its line. */
function merged(lines: readonly ObservedLine[]): ObservedLine[] {
  return [...Map.groupBy(lines, ({ name }) => name)].map(([name, all]) => ({
    name,
    gaps: all.flatMap(({ gaps }) => gaps),
    cut: all.find(({ cut }) => cut !== null)?.cut ?? null,
  }));
}

const meets = (a: Interval, b: Interval): boolean => a.to >= b.from && a.from <= b.to;
const kindOf = (value: unknown): unknown =>
  typeof value === "object" && value !== null ? (value as { kind?: unknown }).kind : undefined;
const isProbes = (value: unknown): value is Probes => kindOf(value) === "probes";
const isConnection = (value: unknown): value is Connection => kindOf(value) === "connection";
