/** What the cases of the rules share: facts in which all is well, and edits of the blueprint. */
import { readFileSync } from "node:fs";
import { runChecks } from "../../../src/core/checks/registry.ts";
import type { Facts } from "../../../src/core/checks/rule.ts";
import { parseTopology } from "../../../src/core/topology/parse.ts";
import type { Problem } from "../../../src/core/topology/problem.ts";

export const blueprint = readFileSync(
  new URL("../../../blueprints/privx-onprem.yaml", import.meta.url),
  "utf8",
);
/** The blueprint without what it accepts. */
export const plain = blueprint.slice(0, blueprint.indexOf("\naccept:"));

export const day = 86_400_000;
export const now = Date.UTC(2026, 10, 20);
export const facts: Facts = {
  now,
  package: { file: "/srv/access-manager-1.0.0.tar.gz" },
  machine: { memory: 16 * 1024 ** 3, clockSynchronized: true },
};
export const content = { notBefore: now - day, notAfter: now + 90 * day, names: ["access.example.test"] };
export const goodTls = {
  certificate: { file: "/srv/cert.pem", content },
  key: { file: "/srv/key.pem", worldReadable: false, matches: true },
};

/** Text of the blueprint -> text that stands there instead. */
export type Edits = Readonly<Record<string, string>>;

export function check(edits: Edits, given: Facts = facts, text = plain): Problem[] {
  const edited = Object.entries(edits).reduce((result, [from, to]) => {
    if (!result.includes(from)) throw new Error(`the blueprint has no ${JSON.stringify(from)}`);
    return result.replaceAll(from, to);
  }, text);
  const { topology, problems, positions } = parseTopology(edited, "holdfast.yaml");
  if (topology === undefined) throw new Error(`the case is invalid: ${JSON.stringify(problems)}`);
  return runChecks(topology, given, positions.value);
}

export const database = "database:\n  hosts: [data1, data2]";
export const coordination = "coordination:\n  hosts: [data1, data2, data3]";
export const cache = "cache:\n  hosts: [data1, data2, data3]";
export const storageSource = "source: { kind: lab }";
export const backupTarget = "target: { kind: storage }";
export const files = {
  "affinity: cookie": "affinity: cookie\n  tls: { source: files, certificate: cert.pem, key: key.pem }",
};
export const data4 = { "  data3:": "  data4: { zone: a, address: 10.77.10.34, memory: 4GiB }\n  data3:" };
export const nfs = (options: string): Edits => ({
  [storageSource]: `source: { kind: nfs, server: nas, export: /trail, options: "${options}" }`,
});

export interface Case {
  readonly code: string;
  readonly path: string;
  readonly found: string;
  readonly edits: Edits;
  readonly facts?: Facts;
}
export const withTls = (tls: object): Facts => ({ ...facts, tls: { ...goodTls, ...tls } });
export const withCertificate = (change: object): Facts =>
  withTls({ certificate: { file: "/srv/cert.pem", content: { ...content, ...change } } });
