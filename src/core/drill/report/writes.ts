/** Writes that went wrong, by id: what an auditor follows up. */
import { html, type Html } from "./html.ts";
import type { Injection, WriteTime } from "./model.ts";
import { offset, plural } from "./words.ts";
import { figureColumn, tableHead } from "./table-head.ts";

const MAX_LISTED = 200;

export function writeLists(injections: readonly Injection[], times: ReadonlyMap<string, WriteTime>): Html {
  const lists = [
    {
      name: "lost",
      what: "acknowledged, and gone when read back",
      of: (i: Injection) => i.result.lostWrites,
    },
    { name: "duplicate", what: "there more than once", of: (i: Injection) => i.result.duplicateWrites },
    {
      name: "phantom",
      what: "certainly refused, and yet there",
      of: (i: Injection) => i.result.phantomWrites,
    },
  ];
  const tables = lists.map(({ name, what, of }) => {
    const rows = injections.flatMap((injection, index) =>
      of(injection).map((id) => ({ id, repeat: index + 1, at: timeOf(injection, times.get(id)) })),
    );
    if (rows.length === 0) return null;
    const shown = rows.slice(0, MAX_LISTED);
    const more =
      rows.length > shown.length
        ? html`<p class="note">and ${rows.length - shown.length} more in <code>verdict.json</code></p>`
        : null;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="${name} writes">
        <table class="compact">
          <caption>
            ${plural(rows.length, `${name} write`)}: ${what}
          </caption>
          ${tableHead("Id", "Repeat", figureColumn("Due, from the injection"))}
          <tbody>
            ${shown.map(
              ({ id, repeat, at }) =>
                html`<tr>
                  <th scope="row"><code>${id}</code></th>
                  <td>${repeat}</td>
                  <td class="number">${at}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
      ${more}`;
  });
  if (tables.every((table) => table === null))
    return html`<p class="note">No write was lost, duplicated or phantom.</p>`;
  return html`${tables}`;
}

const timeOf = ({ marks }: Injection, time: WriteTime | undefined): string =>
  marks === null || time === undefined ? "unknown" : offset(time.intended - marks.inject);
