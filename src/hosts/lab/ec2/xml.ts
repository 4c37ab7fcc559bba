/** EC2's XML: elements in the order given, lists as `<item>`s. */

/** Lists render as items; undefined is left out, as EC2 leaves out what an object does not have. */
export type Xml = string | number | boolean | readonly Xml[] | { readonly [tag: string]: Xml | undefined };

const namespace = "http://ec2.amazonaws.com/doc/2016-11-15/";
const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';

export function renderAnswer(action: string, requestId: string, answer: Xml): string {
  const body = `${element("requestId", requestId)}${content(answer)}`;
  return `${declaration}<${action}Response xmlns="${namespace}">${body}</${action}Response>`;
}

export function renderError(requestId: string, error: { code: string; message: string }): string {
  const { code, message } = error;
  const errors = { Errors: { Error: { Code: code, Message: message } }, RequestID: requestId };
  return `${declaration}${element("Response", errors)}`;
}

function element(tag: string, value: Xml): string {
  return `<${tag}>${content(value)}</${tag}>`;
}

function content(value: Xml): string {
  if (Array.isArray(value)) return value.map((item: Xml) => element("item", item)).join("");
  if (typeof value !== "object") return escape(String(value));
  return Object.entries(value)
    .map(([tag, child]: [string, Xml | undefined]) => (child === undefined ? "" : element(tag, child)))
    .join("");
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

function escape(text: string): string {
  return (
    text
      .replaceAll(/[&<>"']/g, (character) => entities[character] ?? "")
      // XML 1.0 has no way to write these: a caller's parameter quoted in an error must not break the answer.
      .replaceAll(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, "\u{FFFD}")
  );
}
