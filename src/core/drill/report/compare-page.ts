/** Two runs side by side, as a document like a run's own. */
import {
  type Comparison,
  comparisonLines,
  compareRuns,
  differenceText,
  envelope,
  outagesText,
  type Side,
  sideText,
} from "./compare.ts";
import { page } from "./document.ts";
import { html, type Html } from "./html.ts";
import type { ReportInput } from "./model.ts";
import { badge, clock, duration, plural } from "./words.ts";
import { figureColumn, tableHead } from "./table-head.ts";

const ofRun = ({ injections }: ReportInput) => injections.map(({ result }) => result);

export const compareInputs = (a: ReportInput, b: ReportInput): Comparison[] =>
  compareRuns(ofRun(a), ofRun(b));

const versions = ({ context }: ReportInput): string | undefined =>
  context?.engines.map(({ engine, version }) => `${engine} ${version}`).join(", ");
const machine = ({ context }: ReportInput): string | undefined =>
  context === null
    ? undefined
    : `${context.machine.processor}, ${plural(context.machine.cores, "core")}, Linux ${context.machine.kernel}`;

/** What the two runs do not have in common: it may be the cause of what differs. */
export function differencesOfSetting(a: ReportInput, b: ReportInput): string[] {
  const found: string[] = [];
  const note = (what: string, left: string | undefined, right: string | undefined): void => {
    if (left !== right) found.push(`${what}: A ${left ?? "not recorded"}, B ${right ?? "not recorded"}`);
  };
  note("topology", a.topologyName, b.topologyName);
  note("topology's hash", a.context?.topologyHash.slice(0, 12), b.context?.topologyHash.slice(0, 12));
  note("Holdfast", a.context?.holdfast, b.context?.holdfast);
  note("engines", versions(a), versions(b));
  note("machine", machine(a), machine(b));
  note("rate", `${a.rate.perSecond}/s`, `${b.rate.perSecond}/s`);
  return found;
}

/** @returns lines for a terminal */
export function compareText(a: ReportInput, b: ReportInput): string[] {
  const settings = differencesOfSetting(a, b).map((difference) => `differs: ${difference}`);
  return [`A: ${a.run}`, `B: ${b.run}`, "", ...comparisonLines(compareInputs(a, b)), ...settings];
}

/** @returns the text of an HTML document */
export function renderComparison(a: ReportInput, b: ReportInput): string {
  const comparisons = compareInputs(a, b);
  const top = Math.max(
    1000,
    ...comparisons.flatMap((one) =>
      [one.a, one.b].map((side) => (side === null ? 0 : envelope(side.results).high)),
    ),
  );
  const rows = comparisons.map(
    (one) =>
      html`<tr>
        <th scope="row">${one.fault}</th>
        <td>${cell(one.a)}</td>
        <td>${cell(one.b)}</td>
        <td class="plot-cell">${picture(one, top)}</td>
        <td class="number">${differenceText(one)}</td>
        <td><b>${one.change}</b><span class="note">${one.because}</span></td>
      </tr>`,
  );
  const settings = differencesOfSetting(a, b);
  return page(
    "Two drill runs compared",
    html`<header>
        <p class="kicker">Holdfast drill report</p>
        <h1>Two runs compared</h1>
        <p class="conclusion">${sentence(comparisons)}</p>
      </header>
      <dl>
        <div>
          <dt>A</dt>
          <dd>${nameOf(a)}</dd>
        </div>
        <div>
          <dt>B</dt>
          <dd>${nameOf(b)}</dd>
        </div>
      </dl>
      <div class="scroll" tabindex="0" role="region" aria-label="Faults of both runs">
        <table>
          ${tableHead("Fault", "A", "B", `Outage, 0 to ${duration(top)}: A above, B below`, figureColumn("Worst, B less A"), "Judgement")}
          <tbody>
            ${rows}
          </tbody>
        </table>
      </div>
      <p class="note">
        A bar is where the true length of every injection's longest outage lies: the resolution of the
        sampling and the spread over repeats together. A difference is shown when the bars do not touch; a
        longer outage is never hidden by a mean.
      </p>
      <h2>What else differs</h2>
      ${
        settings.length === 0
          ? html`<p>Nothing that was recorded.</p>`
          : html`<ul>
              ${settings.map((difference) => html`<li>${difference}</li>`)}
            </ul>`
      }`,
  );
}

const cell = (side: Side | null): Html =>
  side === null ? html`–` : html`${badge(side.verdict)}<span class="note">${outagesText(side)}</span>`;

const nameOf = ({ run, context }: ReportInput): Html =>
  html`<code>${run}</code>${context === null ? "" : ` (${clock(context.startedAt)})`}`;

function sentence(comparisons: readonly Comparison[]): string {
  const of = (change: Comparison["change"]): string[] =>
    comparisons.filter((one) => one.change === change).map(({ fault }) => fault);
  const [longer, shorter] = [of("longer"), of("shorter")];
  const worse = comparisons
    .filter(({ a, b }) => a?.verdict === "pass" && b?.verdict === "fail")
    .map(({ fault }) => fault);
  const parts = [
    ...(worse.length > 0 ? [`B fails what A passed: ${worse.join(", ")}.`] : []),
    longer.length > 0
      ? `Outages are longer in B for ${longer.join(", ")}.`
      : "No outage is longer in B beyond what the runs can show.",
    ...(shorter.length > 0 ? [`They are shorter for ${shorter.join(", ")}.`] : []),
  ];
  return parts.join(" ");
}

const WIDTH = 230;

/** Both envelopes on one linear scale, with a dot per injection. */
function picture({ fault, a, b }: Comparison, top: number): Html {
  const x = (ms: number): string => ((ms / top) * (WIDTH - 22) + 18).toFixed(1);
  const row = (side: Side | null, y: number, name: string): Html | null => {
    if (side === null || side.results.length === 0) return null;
    const { low, high } = envelope(side.results);
    const dots = side.results.map(
      ({ longestOutageMs }) => html`<circle class="dot" cx="${x(longestOutageMs)}" cy="${y}" r="3.5" />`,
    );
    return html`<text class="small" x="0" y="${y + 4}">${name.toUpperCase()}</text
      ><rect
        class="envelope ${name}"
        x="${x(low)}"
        y="${y - 5}"
        width="${Math.max(1.5, Number(x(high)) - Number(x(low))).toFixed(1)}"
        height="10"
      />${dots}`;
  };
  return html`<svg
    viewBox="0 0 ${WIDTH} 32"
    width="${WIDTH}"
    height="32"
    role="img"
    aria-label="${fault}: A ${sideText(a)}; B ${sideText(b)}"
  >
    ${row(a, 9, "a")}${row(b, 23, "b")}
  </svg>`;
}
