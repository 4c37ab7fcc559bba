/** How figures and verdicts are written, everywhere in a report alike. */
import { duration as plainDuration } from "../../duration.ts";
import { html, type Html } from "./html.ts";
import type { ReportVerdict, Result } from "./model.ts";

/** With a space that does not break: "240 ms", "2.4 s", "25 s", "3 min". */
export const duration = (ms: number): string => plainDuration(ms).replace(" ", "\u00a0");

/** An outage as what the sampling allows to know of it: "240–340 ms". */
export function outageText({ longestOutageMs, outageRangeMs: { low, high } }: Result): string {
  if (longestOutageMs === 0) return `< ${duration(high)}`;
  if (high < 1000) return `${Math.round(low)}–${Math.round(high)}\u00a0ms`;
  const digits = high < 10_000 ? 2 : 1;
  return `${(low / 1000).toFixed(digits)}–${(high / 1000).toFixed(digits)}\u00a0s`;
}

/** "+1.21 s" after, "−0.30 s" before. */
export function offset(ms: number): string {
  const sign = ms < 0 ? "−" : "+";
  const size = Math.abs(ms);
  return size < 1000 ? `${sign}${Math.round(size)}\u00a0ms` : `${sign}${(size / 1000).toFixed(2)}\u00a0s`;
}

export const plural = (number: number, noun: string, nouns = `${noun}s`): string =>
  `${thousands(number)} ${number === 1 ? noun : nouns}`;

export const thousands = (number: number): string =>
  String(Math.round(number)).replaceAll(/\B(?=(\d{3})+$)/g, "\u202f");

/** "2026-11-20 09:19:30 UTC" */
export const clock = (iso: string): string => `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;

export const verdictWords: Readonly<Record<ReportVerdict, string>> = {
  pass: "pass",
  fail: "fail",
  inconclusive: "inconclusive",
  "not-run": "not run",
};

/** A verdict as shape and word: colour is never all that tells. */
export function badge(verdict: ReportVerdict): Html {
  return html`<span class="badge ${verdict}">${shape(verdict)}${verdictWords[verdict]}</span>`;
}

function shape(verdict: ReportVerdict): Html {
  const drawn = {
    pass: html`<circle cx="8" cy="8" r="7" /><path class="in" d="M4.5 8.3l2.4 2.4 4.6-5" />`,
    fail: html`<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" /><path
        class="in"
        d="M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4"
      />`,
    inconclusive: html`<path d="M8 1l7.5 13.5H.5z" /><path class="in" d="M8 6v4M8 11.8v.6" />`,
    "not-run": html`<circle class="hollow" cx="8" cy="8" r="6.2" /><path class="dash" d="M5 8h6" />`,
  }[verdict];
  return html`<svg class="shape" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
    ${drawn}
  </svg>`;
}
