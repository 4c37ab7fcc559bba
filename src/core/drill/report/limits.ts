/** "What this topology cannot survive, and why", from the topology and from the results. */
import { html, type Html } from "./html.ts";
import type { FaultGroup, ReportInput } from "./model.ts";
import { knownRisks, limitsOf } from "./survival.ts";
import { badge, outageText } from "./words.ts";
import { tableHead } from "./table-head.ts";

export function limits({ context }: ReportInput, groups: readonly FaultGroup[]): Html {
  return html`<section id="limits">
    <h2>What this topology cannot survive, and why</h2>
    ${shown(groups)}${context === null ? html`<p class="note">The run did not record its topology, so nothing can be derived from it.</p>` : derived(context.topology)}
  </section>`;
}

/** What the drill itself has shown. */
function shown(groups: readonly FaultGroup[]): Html {
  const missed = groups.filter(({ verdict }) => verdict === "fail");
  if (missed.length === 0)
    return html`<p>No fault of this run missed an objective. What follows is derived from the topology.</p>`;
  return html`<h3>Shown by this run</h3>
    <ul>
      ${missed.map(
        ({ fault, verdict, worst, longest }) =>
          html`<li>
            ${badge(verdict)} <b>${fault}</b> on ${worst.result.target}: ${worst.result.reasons.join("; ")}
            <span class="note">(longest outage ${outageText(longest.result)})</span>
          </li>`,
      )}
    </ul>`;
}

function derived(topology: Parameters<typeof limitsOf>[0]): Html {
  const tiers = limitsOf(topology).map(
    ({ tier, hosts, stoppedBy, consequence }) =>
      html`<tr>
        <th scope="row">${tier}<span class="note">${hosts.join(", ")}</span></th>
        <td>
          <ul>
            ${stoppedBy.map((loss) => html`<li>${loss}</li>`)}
          </ul>
        </td>
        <td>${consequence}</td>
      </tr>`,
  );
  const risks = knownRisks(topology).map(
    ({ code, title, found, why, accepted }) =>
      html`<tr>
        <th scope="row">${title}<span class="note">${code}</span></th>
        <td>${found}<span class="note">${why.replaceAll("`", "")}</span></td>
        <td>${accepted ?? "not accepted: see holdfast check"}</td>
      </tr>`,
  );
  return html`<h3>Losses that stop a tier</h3>
    <div class="scroll" tabindex="0" role="region" aria-label="Losses that stop a tier">
      <table>
        ${tableHead("Tier", "Stopped by", "What that means")}
        <tbody>
          ${tiers}
        </tbody>
      </table>
    </div>
    ${
      risks.length === 0
        ? null
        : html`<h3>Known risks</h3>
            <div class="scroll" tabindex="0" role="region" aria-label="Known risks">
              <table>
                ${tableHead("Risk", "Here", "Accepted because")}
                <tbody>
                  ${risks}
                </tbody>
              </table>
            </div>`
    }`;
}
