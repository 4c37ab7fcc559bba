/**
 * Reads the XML that the AWS Query protocol answers with: elements and text. It never has anything else
 * worth reading, so attributes (the namespace), comments and declarations are skipped, and a document
 * type, where entities could be defined, is refused.
 */
export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  /** The element's own text, with entities resolved; empty where it has children only. */
  readonly text: string;
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
// An answer of ours nests about 10 deep; what nests deeper was not sent by AWS.
const maxDepth = 64;

interface Open {
  name: string;
  children: XmlElement[];
  text: string;
}

/** @throws Error when it is not well-formed; the message says where */
export function parseXml(text: string): XmlElement {
  const stack: Open[] = [{ name: "", children: [], text: "" }];
  const token = /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<(\/?)([A-Za-z_][\w.:-]*)((?:\s[^<>]*?)?)(\/?)>|([^<]+)|</g;
  for (const match of text.matchAll(token)) {
    const [whole, slash, name, , selfClosing, characters] = match;
    const top = stack.at(-1);
    if (top === undefined) throw notWellFormed(match.index);
    if (characters !== undefined) top.text += resolveEntities(characters);
    else if (name === undefined) {
      if (whole === "<") throw notWellFormed(match.index);
    } else if (slash === "/") {
      if (stack.length < 2 || top.name !== name) throw notWellFormed(match.index);
      close(stack);
    } else {
      if (stack.length > maxDepth) throw notWellFormed(match.index);
      stack.push({ name, children: [], text: "" });
      if (selfClosing === "/") close(stack);
    }
  }
  const [document] = stack;
  const root = document?.children[0];
  if (stack.length !== 1 || root === undefined) throw notWellFormed(text.length);
  return root;
}

function close(stack: Open[]): void {
  const done = stack.pop();
  if (done === undefined) return;
  const text = done.children.length > 0 ? "" : done.text;
  stack.at(-1)?.children.push({ name: done.name, children: done.children, text });
}

const notWellFormed = (at: number): Error => new Error(`not well-formed XML at character ${at}`);

const resolveEntities = (text: string): string =>
  text.replace(/&(?:#x([0-9a-fA-F]{1,6})|#(\d{1,7})|(\w+));/g, (whole, hex, decimal, name: string) => {
    if (name !== undefined) return entities[name] ?? whole;
    const point = hex === undefined ? Number(decimal) : Number.parseInt(hex as string, 16);
    return point <= 0x10_ff_ff ? String.fromCodePoint(point) : whole;
  });

/** The first child of that name. */
export const child = (element: XmlElement | undefined, name: string): XmlElement | undefined =>
  element?.children.find((one) => one.name === name);

/** The text of the child of that name; undefined when it is absent or empty, as AWS means it. */
export function childText(element: XmlElement | undefined, name: string): string | undefined {
  const text = child(element, name)?.text.trim();
  return text === "" ? undefined : text;
}

/** The `item`s of a set: `<addressesSet><item>…</item></addressesSet>`. */
export const items = (element: XmlElement | undefined, name: string): readonly XmlElement[] =>
  child(element, name)?.children.filter((one) => one.name === "item") ?? [];
