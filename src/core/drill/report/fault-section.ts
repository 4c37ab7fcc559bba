/** Everything about one fault: the worst injection in full, every repeat beside it. */
import { handling } from "../engine-marks.ts";
import { outagesByClass, type Interval } from "../outages.ts";
import { percentilesIn } from "./bins.ts";
import { faultFigure } from "./figure.ts";
import { anchor } from "./first-screen.ts";
import { html, type Html } from "./html.ts";
import { markLegend } from "./marks-panel.ts";
import type { FaultGroup, FaultMarks, Injection, WriteTime } from "./model.ts";
import { badge, duration, offset, outageText, plural, thousands } from "./words.ts";
import { writeLists } from "./writes.ts";
import { figureColumn, tableHead } from "./table-head.ts";

export function faultSection(group: FaultGroup, writeTimes: ReadonlyMap<string, WriteTime>): Html {
  const { fault, title, verdict, worst, injections } = group;
  const id = anchor(fault);
  const heading = html`<h3 id="${id}">${badge(verdict)} ${fault} <span class="note">${title}</span></h3>`;
  if (worst.marks === null) {
    return html`<section class="fault">
      ${heading}
      <p>Not run: ${worst.result.reasons.join("; ") || "no reason was given"}.</p>
    </section>`;
  }
  const which =
    injections.length > 1
      ? html`<p class="note">
          Shown in full: repeat ${injections.indexOf(worst) + 1} of ${injections.length}, the worst.
        </p>`
      : null;
  return html`<section class="fault">
    ${heading} ${account(worst, worst.marks)}${which}
    <figure>
      ${faultFigure(worst, `${id}-figure`)}
      <figcaption>${legend()}</figcaption>
    </figure>
    ${repeats(group)} ${percentiles(worst, worst.marks)}
    ${writeLists(injections, writeTimes)}${marksTable(worst, worst.marks)}${others(worst)}
  </section>`;
}

/** The story in a few lines: against what it was judged, how it was handled, what is to be said. */
function account({ result, engineMarks }: Injection, marks: FaultMarks): Html {
  const first = handling(engineMarks, marks.inject, result.tier);
  const steps = first.map(
    (mark) =>
      html`<li>
        <b>${mark.kind} ${offset(mark.at - marks.inject)}</b>
        <span class="note">${mark.engine} on ${mark.host}: ${mark.text}</span>
      </li>`,
  );
  const { recoveryTimeMs, noDataLoss, noIdempotentFailures } = marks.objectives;
  const objective = [
    `outage at most ${duration(recoveryTimeMs)}`,
    ...(noDataLoss ? ["no acknowledged write lost"] : []),
    ...(noIdempotentFailures ? ["no GET fails"] : []),
  ].join(", ");
  return html`${reasons(result.reasons)}
    <dl>
      <div>
        <dt>Target</dt>
        <dd>${result.target}</dd>
      </div>
      <div>
        <dt>Objective</dt>
        <dd>${objective}</dd>
      </div>
      <div>
        <dt>Longest outage</dt>
        <dd>
          ${outageText(result)}; ${duration(result.unavailableMs)} in all with some class not served;
          ${thousands(result.failedRequests)} of ${plural(result.requests, "request")} not served
        </dd>
      </div>
      <div>
        <dt>Proof</dt>
        <dd>${result.proof}</dd>
      </div>
      <div>
        <dt>Recovered by</dt>
        <dd>${marks.notRecovered === null ? result.recoveredBy : `not recovered: ${marks.notRecovered}`}</dd>
      </div>
    </dl>
    ${
      steps.length === 0
        ? null
        : html`<ol class="steps" aria-label="How the engines handled it, by their own journals">
            ${steps}
          </ol>`
    }`;
}

const reasons = (all: readonly string[]): Html | null =>
  all.length === 0
    ? null
    : html`<ul class="reasons">
        ${all.map((reason) => html`<li>${reason}</li>`)}
      </ul>`;

const legend = (): Html =>
  html`<span class="key"><i class="swatch intime"></i>served in time</span>
    <span class="key"><i class="swatch slow"></i>served too late</span>
    <span class="key"><i class="swatch bad"></i>failed or unknown</span>
    <span class="key"><i class="swatch fault-swatch"></i>fault present</span>
    <span class="key"><i class="swatch heal-swatch"></i>healing</span> ${markLegend()}`;

function repeats({ fault, injections }: FaultGroup): Html | null {
  if (injections.length < 2) return null;
  const longest = injections.reduce(
    (most, { marks }) => Math.max(most, marks === null ? 0 : marks.end - marks.inject),
    0,
  );
  const rows = injections.map(({ result, marks, records }, index) => {
    const strip = marks === null ? null : outageStrip(records, marks, longest);
    return html`<tr>
      <th scope="row">${index + 1}</th>
      <td>${badge(result.verdict)}</td>
      <td>${result.target}</td>
      <td class="number">${marks === null ? "–" : outageText(result)}</td>
      <td class="number">${duration(result.unavailableMs)}</td>
      <td class="number">${thousands(result.failedRequests)}</td>
      <td class="number">${thousands(result.acknowledgedWritesLost)}</td>
      <td class="plot-cell">${strip}</td>
    </tr>`;
  });
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Repeats of ${fault}">
    <table>
      <caption>
        Every repeat
      </caption>
      ${tableHead("No.", "Verdict", "Target", figureColumn("Longest outage"), figureColumn("Not served in all"), figureColumn("Requests not served"), figureColumn("Writes lost"), `Outages over ${duration(longest)} from the injection`)}
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

const STRIP = 240;

function outageStrip(records: Injection["records"], marks: FaultMarks, longest: number): Html {
  const window = { from: marks.inject, to: marks.end };
  const endOfLoad = records.reduce((latest, { done }) => Math.max(latest, done), marks.end);
  const outages = [...outagesByClass(records, window, endOfLoad).values()].flat();
  const x = (time: number): number => Math.max(0, Math.min(STRIP, ((time - marks.inject) / longest) * STRIP));
  const bars = outages.map(
    ({ from, to }) =>
      html`<rect
        class="outage"
        x="${x(from).toFixed(1)}"
        y="3"
        width="${Math.max(1.5, x(to) - x(from)).toFixed(1)}"
        height="8"
      />`,
  );
  return html`<svg viewBox="0 0 ${STRIP} 14" width="${STRIP}" height="14" aria-hidden="true">
    <path class="rail" d="M0 7H${x(marks.end).toFixed(1)}" />
    ${bars}
  </svg>`;
}

function percentiles({ records }: Injection, marks: FaultMarks): Html {
  const phases: readonly (readonly [string, Interval])[] = [
    ["before", { from: marks.baseline, to: marks.inject }],
    ["during", { from: marks.inject, to: marks.recovered }],
    ["after", { from: marks.recovered, to: marks.end }],
  ];
  const classes = [...new Set(records.map((record) => record.class))].sort();
  const rows = classes.flatMap((name) => {
    const own = records.filter((record) => record.class === name);
    return phases.map(([phase, window], index) => {
      const figures = percentilesIn(own, window);
      const head = index === 0 ? html`<th scope="rowgroup" rowspan="3">${name}</th>` : null;
      const cells =
        figures === null
          ? html`<td colspan="6">no request was due</td>`
          : html`${[figures.p50, figures.p90, figures.p99, figures.max].map((ms) => html`<td class="number">${duration(ms)}</td>`)}
              <td class="number">${thousands(figures.requests)}</td>
              <td class="number">${thousands(figures.notOk)}</td>`;
      return html`<tr>
        ${head}
        <th scope="row">${phase}</th>
        ${cells}
      </tr>`;
    });
  });
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Latency before, during and after">
    <table class="compact">
      <caption>
        Latency of served requests, counted from when each was due; before the injection, until healthy again,
        after
      </caption>
      ${tableHead("Class", "Phase", figureColumn("median"), figureColumn("p90"), figureColumn("p99"), figureColumn("worst"), figureColumn("requests"), figureColumn("not served"))}
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

const MAX_MARKS = 60;

function marksTable({ engineMarks }: Injection, marks: FaultMarks): Html {
  if (engineMarks.length === 0)
    return html`<p class="note">
      The engines' journals were not recorded for this injection, or said nothing of it.
    </p>`;
  const shown = engineMarks.slice(0, MAX_MARKS);
  const rows = shown.map(
    ({ at, host, engine, kind, text }) =>
      html`<tr>
        <td class="number">${offset(at - marks.inject)}</td>
        <td>${kind}</td>
        <td>${engine}</td>
        <td>${host}</td>
        <td>${text}</td>
      </tr>`,
  );
  const more =
    engineMarks.length > shown.length
      ? html`<p class="note">and ${engineMarks.length - shown.length} more in the run's folder</p>`
      : null;
  return html`<details>
    <summary>${plural(engineMarks.length, "mark")} from the engines' own journals</summary>
    <div class="scroll" tabindex="0" role="region" aria-label="Engine marks">
      <table class="compact">
        ${tableHead(figureColumn("After injection"), "Kind", "Engine", "Host", "What it wrote, in short")}
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
    ${more}
  </details>`;
}

function others({ otherFigures }: Injection): Html | null {
  if (otherFigures.length === 0) return null;
  const rows = otherFigures.map(
    ({ name, value }) =>
      html`<tr>
        <th scope="row"><code>${name}</code></th>
        <td>${value}</td>
      </tr>`,
  );
  return html`<details>
    <summary>${plural(otherFigures.length, "further figure")}</summary>
    <table class="compact">
      ${tableHead("Figure", "Value")}
      <tbody>
        ${rows}
      </tbody>
    </table>
  </details>`;
}
