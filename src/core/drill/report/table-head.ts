/** The head of a table, everywhere in a report alike. */
import { html, Html, type Content } from "./html.ts";

/** Columns are given as text, or as `figureColumn` or `column` made them. */
export function tableHead(...columns: readonly (string | Html)[]): Html {
  const cells = columns.map((one) => (one instanceof Html ? one : column(one)));
  return html`<thead>
    <tr>
      ${cells}
    </tr>
  </thead>`;
}

export const column = (title: Content): Html => html`<th scope="col">${title}</th>`;

/** A column of figures: its title stands where they do. */
export const figureColumn = (title: Content): Html => html`<th scope="col" class="number">${title}</th>`;
