import type { DesiredFile } from "../plan/desired.ts";
import type { Topology } from "../topology/schema.ts";

/** Address of a host that the topology names. @throws Error on an unknown name, which the parser refuses. */
export function addressOf(topology: Topology, host: string): string {
  const found = topology.hosts[host];
  if (found === undefined) throw new Error(`host ${host} is not in the topology`);
  return found.address;
}

/** A rendered file without secrets, owned by root. */
export function textFile(path: string, text: string, mode = 0o644): DesiredFile {
  return { path, content: { kind: "text", text }, mode, owner: "root:root", secret: false };
}

/** A file that holds a secret: owned by root, readable by `group` when one is given, by nobody else. */
export function secretFile(path: string, text: string, group?: string): DesiredFile {
  return {
    path,
    content: { kind: "text", text },
    mode: group === undefined ? 0o600 : 0o640,
    owner: `root:${group ?? "root"}`,
    secret: true,
  };
}
