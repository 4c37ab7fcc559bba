/** The engines' own account in a picture: a lane per host and engine, a shape per kind of mark. */
import { type EngineMark, type MarkKind, markKinds } from "../engine-marks.ts";
import type { Panel } from "./figure.ts";
import { type Frame, LEFT, PLOT_END, xOf } from "./frame.ts";
import { html, type Html } from "./html.ts";
import { offset } from "./words.ts";

const LANE = 15;
/** More lanes than this are left to the table below the picture. */
const MAX_LANES = 14;

export const laneLabel = (text: string, y: number): Html =>
  html`<text class="lane" x="0" y="${y}">${text}</text>`;

/** @param key marks that are drawn larger */
export function marksPanel(
  frame: Frame,
  engineMarks: readonly EngineMark[],
  key: readonly EngineMark[],
): Panel {
  const shown = engineMarks.filter(({ at }) => at >= frame.from && at <= frame.to);
  const lanes = [...Map.groupBy(shown, ({ host, engine }) => `${host} ${engine}`)];
  const rows = lanes.slice(0, MAX_LANES).map(([name, all], index) => {
    const y = index * LANE + 8;
    const glyphs = all.map((mark) =>
      glyph(mark, xOf(frame, mark.at), y, key.includes(mark) ? 5.5 : 3.6, frame.zero),
    );
    return html`${laneLabel(name, y + 4)}<path class="rail" d="M${LEFT} ${y}H${PLOT_END}" />${glyphs}`;
  });
  const left = lanes.length - rows.length;
  const more = left > 0 ? laneLabel(`and ${left} more below`, rows.length * LANE + 12) : null;
  return { body: html`${rows}${more}`, height: rows.length * LANE + (left > 0 ? LANE : 0) };
}

function glyph(mark: EngineMark, x: number, y: number, size: number, zero: number): Html {
  return html`<path class="mark ${mark.kind}" d="${shapeAt(mark.kind, x, y, size)}"
    ><title>${offset(mark.at - zero)} ${mark.kind}: ${mark.engine} on ${mark.host}: ${mark.text}</title></path
  >`;
}

/** Detect: diamond. Decide: triangle. Act: square. Recovered: disc. */
function shapeAt(kind: MarkKind, x: number, y: number, r: number): string {
  const at = (dx: number, dy: number): string => `${(x + dx).toFixed(1)} ${(y + dy).toFixed(1)}`;
  const side = (r * 1.6).toFixed(1);
  const shapes: Readonly<Record<MarkKind, string>> = {
    detect: `M${at(0, -r)}L${at(r, 0)}L${at(0, r)}L${at(-r, 0)}z`,
    decide: `M${at(0, -r)}L${at(r, r * 0.8)}L${at(-r, r * 0.8)}z`,
    act: `M${at(-r * 0.8, -r * 0.8)}h${side}v${side}h-${side}z`,
    recovered: `M${at(-r, 0)}a${r} ${r} 0 1 0 ${r * 2} 0a${r} ${r} 0 1 0 -${r * 2} 0z`,
  };
  return shapes[kind];
}

/** What the shapes mean, for the legend beside a picture. */
export function markLegend(): Html {
  const words: Readonly<Record<MarkKind, string>> = {
    detect: "an engine noticed",
    decide: "chose what to do",
    act: "did it",
    recovered: "serves or stands by again",
  };
  return html`${markKinds.map(
    (kind) =>
      html`<span class="key"
        ><svg viewBox="0 0 14 14" width="14" height="14" aria-hidden="true">
          <path class="mark ${kind}" d="${shapeAt(kind, 7, 7, 5)}" /></svg
        >${kind}: ${words[kind]}</span
      > `,
  )}`;
}
