/** The whole report: one HTML file that needs nothing else. */
import { coverage } from "./coverage.ts";
import { faultSection } from "./fault-section.ts";
import { firstScreen } from "./first-screen.ts";
import { html, type Html, trusted } from "./html.ts";
import { limits } from "./limits.ts";
import { method } from "./method.ts";
import { groupByFault, type ReportInput, severity } from "./model.ts";
import { style } from "./style.ts";

/** @returns the text of an HTML document: no script is needed to read it, nothing is loaded from anywhere */
export function renderReport(input: ReportInput): string {
  // What needs action comes first; within a verdict the order of the run stays.
  const groups = groupByFault(input.injections).sort((a, b) => severity[b.verdict] - severity[a.verdict]);
  return page(
    `Drill report: ${input.topologyName}`,
    html`${firstScreen(input, groups)}
      <section id="faults">
        <h2>Fault by fault</h2>
        ${groups.map((group) => faultSection(group, input.writeTimes))}
      </section>
      ${coverage(input)}${limits(input, groups)}${method(input)}`,
  );
}

/** Closed details are not printed: they are opened for it. The page reads the same without. */
const script = `addEventListener("beforeprint",()=>{for(const d of document.querySelectorAll("details"))d.open=true})`;

const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

export function page(title: string, body: Html): string {
  return html`${trusted("<!doctype html>")}
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        <style>
          ${trusted(style)}
        </style>
      </head>
      <body>
        ${patterns}
        <main>${body}</main>
        <script>
          ${trusted(script)};
        </script>
      </body>
    </html> `.toString();
}

/** Hatching for what failed: told from the rest without colour, in print too. */
const patterns = html`<svg width="0" height="0" class="patterns" aria-hidden="true">
  <defs>
    <pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <rect class="hatch-back" width="5" height="5" />
      <rect class="hatch-line" width="1.6" height="5" />
    </pattern>
  </defs>
</svg>`;
