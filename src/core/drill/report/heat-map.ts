/** Latency over time: how many requests of each time bin took how long. */
import type { Binned } from "./bins.ts";
import { latencyRow } from "./bins.ts";
import { SLOW_MS } from "../outages.ts";
import type { Panel } from "./figure.ts";
import { COLUMN, LEFT, PLOT_END } from "./frame.ts";
import { html, type Html, trusted } from "./html.ts";
import { laneLabel } from "./marks-panel.ts";
import { duration, thousands } from "./words.ts";

const ROW = 5;
/** Shades, from few requests to many; the style has as many colours. */
const LEVELS = 7;
/** The scale always reaches this far, so that pictures of faults compare. */
const MIN_TOP_MS = 1000;

export function heatMap({ bins }: Binned, name: string): Panel {
  let most = 0;
  let top = latencyRow(MIN_TOP_MS);
  for (const { latency } of bins) {
    for (const [row, count] of latency.entries()) {
      if (count === undefined || count === 0) continue;
      most = Math.max(most, count);
      top = Math.max(top, row);
    }
  }
  if (most === 0) return { body: html``, height: 0 };
  const height = (top + 1) * ROW;
  const paths = Array.from({ length: LEVELS }, () => "");
  for (let row = 0; row <= top; row += 1) {
    const y = (top - row) * ROW;
    for (const { start, length, level } of runs(
      bins.map(({ latency }) => levelOf(latency[row] ?? 0, most)),
    )) {
      const width = length * COLUMN;
      paths[level - 1] += `M${LEFT + start * COLUMN} ${y}h${width}v${ROW}h-${width}z`;
    }
  }
  const cells = paths.map((path, level) =>
    path === "" ? null : html`<path class="h${level + 1}" d="${trusted(path)}" />`,
  );
  return {
    body: html`${laneLabel(`${name}: latency`, height / 2)}${legend(height / 2 + 8, most)}<rect
        class="plot"
        x="${LEFT}"
        y="0"
        width="${PLOT_END - LEFT}"
        height="${height}"
      />${cells}${scale(top)}`,
    height,
  };
}

/** 0: none; 1 to LEVELS by the logarithm of the count: one slow request among many stays visible. */
const levelOf = (count: number, most: number): number =>
  count === 0
    ? 0
    : most === 1
      ? LEVELS
      : 1 + Math.floor((Math.log(count) / Math.log(most)) * (LEVELS - 0.001));

/** Neighbouring cells of one shade, as one. */
function runs(levels: readonly number[]): { start: number; length: number; level: number }[] {
  const found: { start: number; length: number; level: number }[] = [];
  for (const [index, level] of levels.entries()) {
    const last = found.at(-1);
    if (level === 0) continue;
    if (last !== undefined && last.level === level && last.start + last.length === index) last.length += 1;
    else found.push({ start: index, length: 1, level });
  }
  return found;
}

function scale(top: number): Html {
  const labels = [1, 10, 100, 1000, 10_000].map((ms) => {
    const row = Math.log2(ms) * 2;
    if (row > top) return null;
    const y = (top + 1 - row) * ROW;
    const text = duration(ms);
    return html`<path class="grid" d="M${LEFT} ${y.toFixed(1)}H${PLOT_END}" /><text
        class="small"
        x="${LEFT - 6}"
        y="${Math.max(8, y + 3.5).toFixed(1)}"
        text-anchor="end"
        >${text}</text
      >`;
  });
  const limit = ((top + 1 - Math.log2(SLOW_MS) * 2) * ROW).toFixed(1);
  return html`${labels}<path class="limit" d="M${LEFT} ${limit}H${PLOT_END}" /><text
      class="small halo"
      x="${PLOT_END - 4}"
      y="${Number(limit) - 3}"
      text-anchor="end"
      >later than ${SLOW_MS} ms: an outage</text
    >`;
}

function legend(y: number, most: number): Html {
  const swatches = Array.from(
    { length: LEVELS },
    (_, level) => html`<rect class="h${level + 1}" x="${level * 9}" y="${y}" width="9" height="8" />`,
  );
  return html`${swatches}<text class="small" x="0" y="${y + 20}">1 … ${thousands(most)} requests</text>`;
}
