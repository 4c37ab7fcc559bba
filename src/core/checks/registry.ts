/** All rules of `holdfast check`, and how they are run. */
import { dottedPath, sortProblems, type Path, type Position, type Problem } from "../topology/problem.ts";
import type { Topology } from "../topology/schema.ts";
import { didYouMean } from "../topology/suggest.ts";
import { appRules } from "./app.ts";
import { availabilityRules } from "./availability.ts";
import { cacheRules } from "./cache.ts";
import { capacityRules } from "./capacity.ts";
import { dataRules } from "./data.ts";
import { networkRules } from "./network.ts";
import { objectiveRules } from "./objectives.ts";
import type { Facts, Finding, Rule } from "./rule.ts";
import { storageRules } from "./storage.ts";
import { tlsRules } from "./tls.ts";

/** By theme, for the documentation. */
export const ruleGroups: Readonly<Record<string, readonly Rule[]>> = {
  Availability: availabilityRules,
  Data: dataRules,
  Objectives: objectiveRules,
  App: appRules,
  Network: networkRules,
  TLS: tlsRules,
  "Storage and backup": storageRules,
  Cache: cacheRules,
  Capacity: capacityRules,
};

export const rules: readonly Rule[] = Object.values(ruleGroups).flat();

/** Findings about `accept` itself; they cannot be accepted. */
export const acceptCodes = {
  HF198: {
    title: "Accepted code that does not exist",
    why: "The entry has no effect: the code is mistyped, or its rule is gone.",
    fix: "Correct the code or remove the entry.",
  },
  HF199: {
    title: "Accepted finding that is not there",
    why: "The reason is out of date, and would hide the finding if it came back for another cause.",
    fix: "Remove the entry.",
  },
} as const;

/**
 * Runs every rule. A finding whose code is in `accept` carries the reason and counts no more.
 * @param locate where a path stands in the file
 * @returns findings by place in the file
 */
export function runChecks(topology: Topology, facts: Facts, locate: (path: Path) => Position): Problem[] {
  const reasons = new Map(topology.accept.map(({ code, reason }) => [code, reason]));
  const toProblem = (code: string, severity: Problem["severity"], finding: Finding): Problem => {
    const { file, line, column } = locate(finding.path);
    const { found, fix } = finding;
    const accepted = reasons.get(code);
    const problem = { code, severity, path: dottedPath(finding.path), file, line, column, found, fix };
    return accepted === undefined ? problem : { ...problem, accepted };
  };
  const problems = rules.flatMap((rule) =>
    rule.check(topology, facts).map((finding) => toProblem(rule.code, rule.severity, finding)),
  );
  const present = new Set(problems.map(({ code }) => code));
  const stale = topology.accept.flatMap(({ code }, index) => staleAccept(code, index, topology, present));
  return sortProblems([
    ...problems,
    ...stale.map(({ code, ...finding }) => toProblem(code, "warning", finding)),
  ]);
}

function staleAccept(
  code: string,
  index: number,
  { accept }: Topology,
  present: ReadonlySet<string>,
): (Finding & { code: keyof typeof acceptCodes })[] {
  const path = ["accept", index, "code"];
  const codes = rules.map((rule) => rule.code);
  if (!codes.includes(code)) {
    const found = `${code} is no code of holdfast check`;
    return [{ code: "HF198", path, found, fix: `${didYouMean(code, codes)}see holdfast check` }];
  }
  const first = accept.findIndex((entry) => entry.code === code);
  if (first !== index)
    return [{ code: "HF199", path, found: `${code} is accepted above already`, fix: "remove one of them" }];
  if (present.has(code)) return [];
  return [{ code: "HF199", path, found: `there is no finding ${code} to accept`, fix: "remove the entry" }];
}
