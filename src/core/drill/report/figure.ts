/** The picture of one injection: phases, the engines' marks, outages, service and latency on one time axis. */
import { handling } from "../engine-marks.ts";
import type { RequestRecord } from "../history.ts";
import { lengthOf, outagesByClass } from "../outages.ts";
import { bin, type Binned } from "./bins.ts";
import { COLUMN, COLUMNS, type Frame, frameOf, LEFT, PLOT_END, WIDTH, xOf } from "./frame.ts";
import { heatMap } from "./heat-map.ts";
import { html, type Html, trusted } from "./html.ts";
import { laneLabel, marksPanel } from "./marks-panel.ts";
import type { FaultMarks, Injection, ObservedLine } from "./model.ts";
import { duration, offset } from "./words.ts";

/** A part of the picture: its markup at y = 0, and how high it is. */
export interface Panel {
  readonly body: Html;
  readonly height: number;
}

const GAP = 10;

/** @param id unique in the document: the picture's title and description refer to it */
export function faultFigure(injection: Injection, id: string): Html | null {
  const { marks, records, result } = injection;
  if (marks === null) return null;
  const frame = frameOf(marks);
  const of = (write: boolean): Binned =>
    bin(
      records.filter((record) => (record.class === "write") === write),
      frame,
      COLUMNS,
    );
  const [reads, writes] = [of(false), of(true)];
  const panels = [
    phases(frame, marks),
    marksPanel(frame, injection.engineMarks, handling(injection.engineMarks, marks.inject, result.tier)),
    outages(frame, marks, records),
    observed(frame, injection.lines),
    served(reads, "reads served"),
    served(writes, "writes served"),
    heatMap(reads, "reads"),
    heatMap(writes, "writes"),
  ].filter(({ height }) => height > 0);
  const height = panels.reduce((total, panel) => total + panel.height + GAP, 0);
  let y = 0;
  const placed = panels.map((panel) => {
    const at = y;
    y += panel.height + GAP;
    return html`<g transform="translate(0 ${at})">${panel.body}</g>`;
  });
  return html`<div
    class="scroll"
    tabindex="0"
    role="region"
    aria-label="Picture of ${result.fault}, scrollable"
  >
    <svg class="picture" viewBox="0 0 ${WIDTH} ${height + 34}" role="img" aria-labelledby="${id}-t ${id}-d">
      <title id="${id}-t">${result.fault} on ${result.target}: what clients and engines saw</title>
      <desc id="${id}-d">${describe(injection, marks)}</desc>
      ${bands(frame, marks, height)}${placed}${axis(frame, height)}
    </svg>
  </div>`;
}

function describe({ result, engineMarks }: Injection, marks: FaultMarks): string {
  const at = (time: number): string => offset(time - marks.inject);
  const engines = handling(engineMarks, marks.inject, result.tier).map(
    (mark) => `${mark.kind} at ${at(mark.at)} by ${mark.engine} on ${mark.host} (${mark.text})`,
  );
  return [
    `Times count from the injection. Effect proven at ${at(marks.prove)}, healing began at ${at(marks.heal)}`,
    `healthy again at ${at(marks.recovered)}`,
    `longest outage ${duration(result.longestOutageMs)}`,
    ...engines,
  ].join("; ");
}

/** Shades the time with the fault, and the time of healing, behind all panels. */
function bands(frame: Frame, marks: FaultMarks, height: number): Html {
  const x = (time: number): number => xOf(frame, time);
  const band = (name: string, from: number, to: number): Html =>
    html`<rect
      class="${name}"
      x="${x(from)}"
      y="0"
      width="${Math.max(0.5, x(to) - x(from)).toFixed(1)}"
      height="${height}"
    />`;
  const line = (name: string, time: number): Html =>
    html`<path class="moment ${name}" d="M${x(time)} 0V${height}" />`;
  return html`${band("band-fault", marks.inject, marks.heal)}${band("band-heal", marks.heal, marks.recovered)}${line("inject", marks.inject)}${line("heal", marks.heal)}${line("recovered", marks.recovered)}`;
}

/** What the drill did: one bar per phase, and the moments by name. */
function phases(frame: Frame, marks: FaultMarks): Panel {
  const x = (time: number): number => xOf(frame, time);
  const spans = [
    { name: "before", from: frame.from, to: marks.inject },
    { name: "fault", from: marks.inject, to: marks.heal },
    { name: "healing", from: marks.heal, to: marks.recovered },
    { name: "after", from: marks.recovered, to: frame.to },
  ];
  const bars = spans.map(({ name, from, to }) => {
    const width = x(to) - x(from);
    const fits = width > name.length * 6.6;
    return html`<rect
        class="phase ${name}"
        x="${x(from)}"
        y="30"
        width="${Math.max(0, width).toFixed(1)}"
        height="18"
      />${
        fits
          ? html`<text x="${(x(from) + width / 2).toFixed(1)}" y="43" text-anchor="middle">${name}</text>`
          : null
      }`;
  });
  const moments = [
    { name: "injected", at: marks.inject },
    { name: marks.tookEffect ? "effect proven" : "no effect found", at: marks.prove },
    { name: "heal", at: marks.heal },
    { name: marks.notRecovered === null ? "healthy" : "given up", at: marks.recovered },
  ];
  const ends = [0, 0]; // where the last label of each row ends
  const labels = moments.map(({ name, at }) => {
    const text = at === marks.inject ? name : `${name} ${offset(at - marks.inject)}`;
    const room = text.length * 6.2;
    const left = Math.min(x(at) + 3, PLOT_END - room);
    const row = left >= (ends[1] ?? 0) ? 1 : 0;
    ends[row] = left + room + 6;
    const y = row === 1 ? 25 : 11;
    return html`<path class="tick" d="M${x(at)} ${y - 9}V30" /><text
        class="small"
        x="${left.toFixed(1)}"
        y="${y}"
        >${text}</text
      >`;
  });
  return { body: html`${laneLabel("drill", 43)}${bars}${labels}`, height: 48 };
}

const LANE = 14;

/** Time in which a class of requests was not served in time, as judged. */
function outages(frame: Frame, marks: FaultMarks, records: readonly RequestRecord[]): Panel {
  const window = { from: marks.inject, to: marks.end };
  const endOfLoad = records.reduce((latest, { done }) => Math.max(latest, done), marks.end);
  const lanes = [...outagesByClass(records, window, endOfLoad)].filter(
    ([, intervals]) => intervals.length > 0,
  );
  const body = lanes.map(([name, intervals], index) => {
    const y = index * LANE;
    const longest = Math.max(...intervals.map(lengthOf));
    const bars = intervals.map((interval) => {
      const from = xOf(frame, interval.from);
      const width = Math.max(1.5, xOf(frame, interval.to) - from);
      const label =
        lengthOf(interval) === longest
          ? html`<text
              class="small strong"
              x="${Math.min(from + width + 4, PLOT_END - 44).toFixed(1)}"
              y="${y + 10.5}"
              >${duration(longest)}</text
            >`
          : null;
      return html`<rect
          class="outage"
          x="${from}"
          y="${y + 2}"
          width="${width.toFixed(1)}"
          height="10"
        />${label}`;
    });
    return html`${laneLabel(`outage, ${name}`, y + 11)}${bars}`;
  });
  return { body: html`${body}`, height: lanes.length * LANE };
}

/** Probes and long-lived connections: bars while silent, a cross where one was cut. */
function observed(frame: Frame, lines: readonly ObservedLine[]): Panel {
  const body = lines.map(({ name, gaps, cut }, index) => {
    const y = index * LANE;
    const bars = gaps.map(({ from, to }) => {
      const x = xOf(frame, from);
      return html`<rect
        class="outage gap"
        x="${x}"
        y="${y + 3}"
        width="${Math.max(1.5, xOf(frame, to) - x).toFixed(1)}"
        height="8"
      />`;
    });
    const x = cut === null ? 0 : xOf(frame, cut);
    const cross = cut === null ? null : html`<path class="cut" d="M${x - 4} ${y + 3}l8 8m0-8l-8 8" />`;
    return html`${laneLabel(name, y + 11)}<path
        class="rail"
        d="M${LEFT} ${y + 7}H${PLOT_END}"
      />${bars}${cross}`;
  });
  return { body: html`${body}`, height: lines.length * LANE };
}

const SERVED = 34;

/** Share of requests, by when they were due: in time, too late, failed. */
function served({ bins }: Binned, label: string): Panel {
  const paths = { intime: "", slow: "", bad: "" };
  for (const [index, { inTime, slow, bad }] of bins.entries()) {
    const total = inTime + slow + bad;
    if (total === 0) continue;
    const bar = (from: number, share: number): string =>
      share === 0
        ? ""
        : `M${LEFT + index * COLUMN} ${(SERVED * from).toFixed(1)}h${COLUMN}v${(SERVED * share).toFixed(1)}h-${COLUMN}z`;
    paths.bad += bar(0, bad / total);
    paths.slow += bar(bad / total, slow / total);
    paths.intime += bar((bad + slow) / total, inTime / total);
  }
  const drawn = Object.entries(paths).map(([name, path]) =>
    path === "" ? null : html`<path class="served ${name}" d="${trusted(path)}" />`,
  );
  if (drawn.every((path) => path === null)) return { body: html``, height: 0 };
  const scale = html`<text class="small" x="${LEFT - 6}" y="9" text-anchor="end">100 %</text
    ><text class="small" x="${LEFT - 6}" y="${SERVED}" text-anchor="end">0 %</text>`;
  return { body: html`${laneLabel(label, SERVED / 2 + 4)}${scale}${drawn}`, height: SERVED };
}

/** Seconds since the injection. */
function axis(frame: Frame, y: number): Html {
  const span = frame.to - frame.from;
  const step =
    [100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 30_000, 60_000, 120_000].find(
      (ms) => span / ms <= 16,
    ) ?? 300_000;
  const ticks: Html[] = [];
  for (let ms = Math.ceil((frame.from - frame.zero) / step) * step; frame.zero + ms <= frame.to; ms += step) {
    const x = xOf(frame, frame.zero + ms);
    const text = step < 1000 ? (ms / 1000).toFixed(1) : String(ms / 1000);
    ticks.push(
      html`<path class="tick" d="M${x} ${y}v5" /><text
          class="small"
          x="${x}"
          y="${y + 16}"
          text-anchor="middle"
          >${text.replace("-", "−")}</text
        >`,
    );
  }
  return html`<path class="axis" d="M${LEFT} ${y}H${PLOT_END}" />${ticks}<text
      class="small"
      x="${PLOT_END}"
      y="${y + 30}"
      text-anchor="end"
      >seconds since the injection</text
    >`;
}
