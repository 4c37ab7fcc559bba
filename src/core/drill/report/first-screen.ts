/** The first screen: what came out, at a glance. */
import { conclusion, totalsOf, worstOutage } from "./conclusion.ts";
import { html, type Html } from "./html.ts";
import type { FaultGroup, ReportInput, ReportVerdict } from "./model.ts";
import { dots, dotScale, topOf } from "./spread.ts";
import { badge, clock, duration, outageText, plural, thousands } from "./words.ts";
import { column, figureColumn, tableHead } from "./table-head.ts";

export function firstScreen(input: ReportInput, groups: readonly FaultGroup[]): Html {
  const { topologyName, context } = input;
  const when = context === null ? input.run : clock(context.startedAt);
  return html`<header>
      <p class="kicker">Holdfast drill report</p>
      <h1>${topologyName} <span class="when">${when}</span></h1>
      <p class="conclusion">${conclusion(groups, input.aborted)}</p>
      ${tiles(groups)}
    </header>
    <section id="verdicts">
      <h2>Verdict per fault</h2>
      ${verdictTable(groups)}
    </section>
    <section id="run">
      <h2>The run</h2>
      ${provenance(input)}
    </section>`;
}

function tiles(groups: readonly FaultGroup[]): Html {
  const verdicts: readonly ReportVerdict[] = ["pass", "fail", "inconclusive", "not-run"];
  const counts = verdicts.map((verdict) => {
    const count = groups.filter((group) => group.verdict === verdict).length;
    return count === 0 && verdict !== "pass" ? null : html`<li>${badge(verdict)} <b>${count}</b></li>`;
  });
  const worst = worstOutage(groups);
  const { acknowledged, lost, requests, failed, unverified } = totalsOf(groups);
  return html`<ul class="tiles">
    <li>
      <span class="label">Faults</span>
      <ul class="counts">
        ${counts}
      </ul>
    </li>
    <li>
      <span class="label">Longest outage</span
      ><b class="figure">${worst === undefined ? "–" : outageText(worst.longest.result)}</b
      ><span class="note">${worst?.fault ?? "nothing was run"}</span>
    </li>
    <li>
      <span class="label">Acknowledged writes lost</span><b class="figure">${thousands(lost)}</b
      ><span class="note"
        >of ${thousands(acknowledged)}${unverified > 0 ? `; ${unverified} not verified` : ""}</span
      >
    </li>
    <li>
      <span class="label">Requests not served</span><b class="figure">${thousands(failed)}</b
      ><span class="note">of ${thousands(requests)} under way during faults</span>
    </li>
  </ul>`;
}

function verdictTable(groups: readonly FaultGroup[]): Html {
  const top = topOf(groups);
  const repeats = groups.some(({ injections }) => injections.length > 1);
  const rows = groups.map((group) => {
    const { fault, title, verdict, worst, longest, injections } = group;
    const { result, marks } = worst;
    const name = html`<th scope="row">
      <a href="#${anchor(fault)}">${fault}</a><span class="note">${title}</span>
    </th>`;
    if (verdict === "not-run") {
      return html`<tr>
        ${name}
        <td>${badge(verdict)}</td>
        <td colspan="5">${result.reasons.join("; ") || "no reason was given"}</td>
      </tr>`;
    }
    const spread =
      injections.length > 1 ? html`<span class="note">longest of ${injections.length}</span>` : null;
    const failed = injections.reduce((sum, { result }) => sum + result.failedRequests, 0);
    const lost = injections.reduce((sum, { result }) => sum + result.acknowledgedWritesLost, 0);
    return html`<tr>
      ${name}
      <td>${badge(verdict)}${passes(group)}</td>
      <td class="number">${outageText(longest.result)}${spread}</td>
      <td class="number">${marks === null ? "–" : duration(marks.objectives.recoveryTimeMs)}</td>
      <td class="plot-cell">${dots(group, top)}</td>
      <td class="number">${thousands(lost)}</td>
      <td class="number">${thousands(failed)}</td>
    </tr>`;
  });
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Verdict per fault">
      <table class="verdicts">
        ${tableHead("Fault", "Verdict", figureColumn("Longest outage"), figureColumn("Objective"), column(html`${repeats ? "Every repeat" : "Outage"} and objective${dotScale(top)}`), figureColumn("Writes lost"), figureColumn("Requests not served"))}
        <tbody>
          ${rows}
        </tbody>
      </table>
    </div>
    <p class="note">
      Each dot is one injection; a cross is one above the objective; the bar is the objective. A fault has the
      verdict of its worst repeat.
    </p>`;
}

function passes({ injections }: FaultGroup): Html | null {
  if (injections.length < 2) return null;
  const passed = injections.filter(({ result }) => result.verdict === "pass").length;
  return html`<span class="note">${passed} of ${injections.length} passed</span>`;
}

/** Identifier of a fault's section; names of faults are typed at a shell, but files may hold anything. */
export const anchor = (fault: string): string => `fault-${fault.replaceAll(/[^A-Za-z0-9-]/g, "_")}`;

function provenance({ context, rate, run }: ReportInput): Html {
  const load = `${thousands(rate.perSecond)} requests per second from ${plural(rate.clients, "client")}`;
  const rows: (readonly [string, string | Html])[] = [
    ["Load", load],
    ["Run", html`<code>${run}</code>`],
  ];
  if (context === null) {
    rows.push(["Not recorded", "topology, versions and machine: the run was made by an older version"]);
  } else {
    const { machine, topology, topologyHash, engines, holdfast, command, seed } = context;
    const gib = (machine.memory / 1024 ** 3).toFixed(0);
    rows.unshift(
      ["Began", clock(context.startedAt)],
      [
        "Topology",
        html`${topology.name}, SHA-256 <code title="${topologyHash}">${topologyHash.slice(0, 12)}</code>,
          ${plural(Object.keys(topology.hosts).length, "host")} in ${plural(topology.zones.length, "zone")}`,
      ],
    );
    rows.push(
      [
        "Versions",
        `Holdfast ${holdfast}; ${engines.map(({ engine, version }) => `${engine} ${version}`).join("; ")}`,
      ],
      [
        "Machine",
        `${machine.processor}, ${plural(machine.cores, "core")}, ${gib} GiB; ${machine.system}, Linux ${machine.kernel}`,
      ],
      ["Order", seed === null ? "as given" : html`shuffled, seed <code>${seed}</code>`],
      ["To reproduce", html`<code>${command}</code>`],
    );
  }
  return html`<dl>
    ${rows.map(
      ([term, value]) =>
        html`<div>
          <dt>${term}</dt>
          <dd>${value}</dd>
        </div>`,
    )}
  </dl>`;
}
