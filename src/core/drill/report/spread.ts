/** Outages of all repeats of a fault as dots on one logarithmic scale: none is averaged away. */
import { html, type Html } from "./html.ts";
import type { FaultGroup } from "./model.ts";
import { duration } from "./words.ts";

const WIDTH = 230;
const HEIGHT = 22;
const NONE = 16; // where "no outage" is
const FROM = 44;
const TO = 212;
const LOW_MS = 10;

/** The scale's upper end, ms: a power of ten that holds every outage and objective. */
export function topOf(groups: readonly FaultGroup[]): number {
  let most = 1000;
  for (const { injections } of groups) {
    for (const { result, marks } of injections) {
      most = Math.max(most, result.longestOutageMs, marks?.objectives.recoveryTimeMs ?? 0);
    }
  }
  return 10 ** Math.ceil(Math.log10(most * 1.01));
}

function place(ms: number, top: number): number {
  if (ms <= 0) return NONE;
  const share = (Math.log10(ms) - Math.log10(LOW_MS)) / (Math.log10(top) - Math.log10(LOW_MS));
  return Math.round((FROM + Math.min(1, Math.max(0, share)) * (TO - FROM)) * 10) / 10;
}

/** One row: a dot per repeat, filled where it passed, crossed where it failed; a bar at the objective. */
export function dots({ fault, injections }: FaultGroup, top: number): Html {
  const objective = injections.find(({ marks }) => marks !== null)?.marks?.objectives.recoveryTimeMs;
  const ran = injections.filter(({ marks }) => marks !== null);
  const label = `${fault}: ${ran.map(({ result }) => duration(result.longestOutageMs)).join(", ")}${objective === undefined ? "" : `; objective ${duration(objective)}`}`;
  const points = ran.map(({ result }) => {
    const x = place(result.longestOutageMs, top);
    const over = objective !== undefined && result.longestOutageMs > objective;
    return over
      ? html`<path class="dot over" d="M${x - 4} 7l8 8m0-8l-8 8" />`
      : html`<circle class="dot" cx="${x}" cy="11" r="4" />`;
  });
  const bar =
    objective === undefined ? null : html`<path class="objective" d="M${place(objective, top)} 2v18" />`;
  return html`<svg
    class="dots"
    viewBox="0 0 ${WIDTH} ${HEIGHT}"
    width="${WIDTH}"
    height="${HEIGHT}"
    role="img"
    aria-label="${label}"
  >
    <path class="rail" d="M${NONE} 11H${TO}" />
    ${bar}${points}
  </svg>`;
}

/** The scale, for the head of the column. */
export function dotScale(top: number): Html {
  const ticks: Html[] = [html`<text x="${NONE}" y="12" text-anchor="middle">none</text>`];
  for (let ms = LOW_MS * 10; ms <= top; ms *= 10) {
    ticks.push(html`<text x="${place(ms, top)}" y="12" text-anchor="middle">${duration(ms)}</text>`);
  }
  return html`<svg
    class="dots scale"
    viewBox="0 0 ${WIDTH} 16"
    width="${WIDTH}"
    height="16"
    aria-hidden="true"
  >
    ${ticks}
  </svg>`;
}
