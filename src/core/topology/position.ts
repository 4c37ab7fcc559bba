/** Where a path of the parsed data stands in the YAML text. */
import { type Document, type LineCounter, type Node, isAlias, isMap, isNode, isScalar, isSeq } from "yaml";
import type { Path, Position } from "./problem.ts";

export interface Positions {
  /** The value at the path; of its deepest existing parent's key when the path does not exist. */
  readonly value: (path: Path) => Position;
  /** The key at the path's end; same fallback. */
  readonly key: (path: Path) => Position;
  /** An offset in the text. */
  readonly offset: (offset: number) => Position;
}

interface Place {
  readonly node: Node | undefined;
  readonly keyOffset: number | undefined;
}

export function positionsOf(document: Document, lines: LineCounter, file: string): Positions {
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const find = (path: Path, prefer: "key" | "value"): Position => {
    let place: Place = {
      node: isNode(document.contents) ? document.contents : undefined,
      keyOffset: undefined,
    };
    for (const part of path) {
      const next = child(place.node, part, document);
      if (next === undefined) return at(place.keyOffset ?? startOf(place.node));
      place = next;
    }
    if (prefer === "key") return at(place.keyOffset ?? startOf(place.node));
    return at(place.node?.range?.[0] ?? place.keyOffset ?? 0);
  };
  return {
    value: (path) => find(path, "value"),
    key: (path) => find(path, "key"),
    offset: at,
  };
}

const startOf = (node: Node | undefined): number => node?.range?.[0] ?? 0;

function child(parent: Node | undefined, part: string | number, document: Document): Place | undefined {
  const node = isAlias(parent) ? parent.resolve(document) : parent;
  if (isSeq(node) && typeof part === "number") {
    const item = node.items[part];
    return isNode(item) ? { node: item, keyOffset: item.range?.[0] } : undefined;
  }
  if (!isMap(node)) return undefined;
  // The last of two equal keys is the one whose value is used.
  const pair = node.items.findLast((pair) => isScalar(pair.key) && String(pair.key.value) === String(part));
  if (pair === undefined || !isNode(pair.key)) return undefined;
  return { node: isNode(pair.value) ? pair.value : undefined, keyOffset: pair.key.range?.[0] };
}

/** Path of the mapping key that starts at an offset, e.g. the second of two equal keys. */
export function pathOfKeyAt(node: unknown, offset: number, path: Path = []): Path | undefined {
  if (isSeq(node)) {
    return firstDefined(node.items, (item, index) => pathOfKeyAt(item, offset, [...path, index]));
  }
  if (!isMap(node)) return undefined;
  return firstDefined(node.items, (pair) => {
    if (!isScalar(pair.key)) return undefined;
    const here = [...path, String(pair.key.value)];
    return pair.key.range?.[0] === offset ? here : pathOfKeyAt(pair.value, offset, here);
  });
}

function firstDefined<T, R>(
  items: readonly T[],
  look: (item: T, index: number) => R | undefined,
): R | undefined {
  for (const [index, item] of items.entries()) {
    const result = look(item, index);
    if (result !== undefined) return result;
  }
  return undefined;
}
