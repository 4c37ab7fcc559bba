/** Fault × last result, over all stored runs: what has been proven, and what has not. */
import { html, type Html } from "./html.ts";
import { type CatalogueEntry, type ReportInput, type Result, severity, type StoredRun } from "./model.ts";
import { badge, clock, outageText } from "./words.ts";
import { figureColumn, tableHead } from "./table-head.ts";

interface Row extends CatalogueEntry {
  /** Newest first. */
  readonly runs: readonly {
    readonly run: StoredRun;
    readonly worst: Result;
    readonly longest: Result;
    readonly count: number;
  }[];
}

/** The last results that are shown as a history. */
const HISTORY = 8;

export function coverage(input: ReportInput): Html {
  const rows = rowsOf(input);
  const hash = input.context?.topologyHash ?? null;
  const proven = rows.filter(({ runs }) => runs.some(({ worst }) => worst.verdict !== "not-run")).length;
  const possible = rows.filter(({ doesNotApply }) => doesNotApply === null).length;
  const others = input.stored.some((run) => run.topologyHash !== null && run.topologyHash !== hash);
  return html`<section id="coverage">
    <h2>Coverage</h2>
    <p>
      ${proven} of ${possible} faults that apply to this topology have a result in its ${input.stored.length}
      stored runs.
    </p>
    <div class="scroll" tabindex="0" role="region" aria-label="Coverage">
      <table>
        ${tableHead("Fault", "Tier", "Last result", "When", figureColumn("Longest outage then"), "Results, oldest to newest")}
        <tbody>
          ${rows.map((row) => tableRow(row, hash))}
        </tbody>
      </table>
    </div>
    ${others ? html`<p class="note">† the topology has changed since</p>` : null}
  </section>`;
}

function tableRow({ fault, tier, title, doesNotApply, runs }: Row, hash: string | null): Html {
  const name = html`<th scope="row">${fault}<span class="note">${title}</span></th>
    <td>${tier}</td>`;
  const [last] = runs;
  if (last === undefined) {
    const why = doesNotApply === null ? "no stored run has it" : `does not apply: ${doesNotApply}`;
    return html`<tr>
      ${name}
      <td>${badge("not-run")}</td>
      <td colspan="3">${why}</td>
    </tr>`;
  }
  const { run, worst, longest, count } = last;
  const changed = run.topologyHash !== null && hash !== null && run.topologyHash !== hash ? " †" : "";
  const reasons =
    worst.verdict === "pass" ? null : html`<span class="note">${worst.reasons.join("; ")}</span>`;
  const history = runs.slice(0, HISTORY).toReversed();
  return html`<tr>
    ${name}
    <td>${badge(worst.verdict)}${reasons}</td>
    <td>${clock(run.startedAt)}${changed}</td>
    <td class="number">
      ${worst.verdict === "not-run" ? "–" : outageText(longest)}${count > 1 ? html`<span class="note">longest of ${count}</span>` : null}
    </td>
    <td class="history">
      ${history.map((past) => html`<span title="${clock(past.run.startedAt)}">${badge(past.worst.verdict)}</span>`)}
    </td>
  </tr>`;
}

function rowsOf({ catalogue, stored, injections }: ReportInput): Row[] {
  const newest = [...stored].sort((a, b) => b.startedAt.localeCompare(a.startedAt));
  const known = new Map(catalogue.map((entry) => [entry.fault, entry]));
  for (const { fault, title } of [
    ...injections.map(({ result }) => result),
    ...newest.flatMap(({ results }) => results),
  ]) {
    if (!known.has(fault)) known.set(fault, { fault, tier: "–", title, doesNotApply: null });
  }
  return [...known.values()].map((entry) => ({
    ...entry,
    runs: newest.flatMap((run) => {
      const own = run.results.filter((result) => result.fault === entry.fault);
      const [worst] = [...own].sort(
        (a, b) => severity[b.verdict] - severity[a.verdict] || b.longestOutageMs - a.longestOutageMs,
      );
      const [longest] = [...own].sort((a, b) => b.longestOutageMs - a.longestOutageMs);
      return worst === undefined || longest === undefined ? [] : [{ run, worst, longest, count: own.length }];
    }),
  }));
}
