/** Changes single values of a topology's text and nothing else: comments and layout stay as they are. */
import { isScalar, parseDocument } from "yaml";
import { moveAddress, parseSubnet } from "./address.ts";
import { type Path, dottedPath } from "./problem.ts";
import type { Topology } from "./schema.ts";

export interface Edit {
  readonly path: Path;
  readonly value: string;
}

/**
 * The text with each value replaced.
 * @throws Error when a path is not there: the text is not the one that the edits were made for.
 */
export function editText(text: string, edits: readonly Edit[]): string {
  const document = parseDocument(text);
  const ranges = edits.map(({ path, value }) => {
    const node: unknown = document.getIn(path, true);
    if (!isScalar(node) || node.range === undefined || node.range === null) {
      throw new Error(`no value at ${dottedPath(path)}`);
    }
    return { start: node.range[0], end: node.range[1], value };
  });
  return ranges
    .sort((a, b) => b.start - a.start)
    .reduce((result, { start, end, value }) => result.slice(0, start) + value + result.slice(end), text);
}

/**
 * Edits that move the hosts' addresses and the virtual one into another subnet, each at its old offset.
 * @returns undefined when the other subnet is too small for an offset
 */
export function moveEdits(topology: Topology, subnet: string): Edit[] | undefined {
  const from = parseSubnet(topology.network.subnet);
  const to = parseSubnet(subnet);
  const places: [Path, string][] = [
    ...Object.entries(topology.hosts).map(([name, host]): [Path, string] => [
      ["hosts", name, "address"],
      host.address,
    ]),
    ...(topology.entry.address.kind === "vip"
      ? [[["entry", "address", "vip"], topology.entry.address.vip] satisfies [Path, string]]
      : []),
  ];
  const edits: Edit[] = [{ path: ["network", "subnet"], value: subnet }];
  for (const [path, address] of places) {
    const value = moveAddress(address, from, to);
    if (value === undefined) return undefined;
    edits.push({ path, value });
  }
  return edits;
}
