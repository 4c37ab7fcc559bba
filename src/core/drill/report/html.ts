/** HTML as text, escaped by construction: whatever is not `Html` already is escaped when it is put in. */

export class Html {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

export type Content = Html | string | number | null | readonly Content[];

/** Template tag: literal parts are markup, values are escaped. `null` is nothing; lists are joined. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Html {
  const [first = "", ...rest] = parts.map(withoutIndentation);
  let text = first;
  for (const [index, value] of values.entries()) text += render(value) + (rest[index] ?? "");
  return new Html(text);
}

/** The program's own indentation is no content, and thousands of rows would carry it. */
const withoutIndentation = (part: string): string => part.replaceAll(/\n\s+/g, "\n");

/** Markup that the program itself wrote (styles, path data); never something from a file. */
export const trusted = (text: string): Html => new Html(text);

function render(value: Content): string {
  if (value === null) return "";
  if (value instanceof Html) return value.toString();
  if (typeof value === "object") return value.map(render).join("");
  return escape(String(value));
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escape = (text: string): string =>
  text
    .replaceAll(/[&<>"']/g, (character) => entities[character] ?? "")
    // Control characters are not allowed in HTML, and in a terminal they would act.
    .replaceAll(/\p{Cc}/gu, (character) => ("\t\n\r".includes(character) ? character : "\ufffd"));
