import { expect, test } from "vitest";
import { rules } from "../../../src/core/checks/registry.ts";
import { isBlocking } from "../../../src/core/topology/problem.ts";
import { resilienceCases } from "./resilience.ts";
import { resourceCases } from "./resources.ts";
import { serviceCases } from "./service.ts";
import { blueprint, check, database, facts, files, plain, withCertificate, withTls } from "./setup.ts";

const cases = [...resilienceCases, ...serviceCases, ...resourceCases];

test.each(cases)("$code $found", ({ code, path, found, edits, facts: given }) => {
  const findings = check(edits, given).filter((problem) => problem.code === code);
  const finding = findings.find((problem) => problem.found === found && problem.path === path);
  expect(findings.map((problem) => `${problem.path}: ${problem.found}`)).toContain(`${path}: ${found}`);
  const expected = rules.find((rule) => rule.code === code)?.severity;
  expect(finding).toMatchObject({ severity: expected, file: "holdfast.yaml" });
});

test("every rule has a case, and codes are unique", () => {
  const codes = rules.map(({ code }) => code);
  expect(new Set(codes).size).toBe(codes.length);
  expect(codes.filter((code) => !cases.some((each) => each.code === code))).toEqual([]);
});

test("the blueprint has no finding that is not accepted, and accepts nothing in vain", () => {
  const problems = check({}, facts, blueprint);
  expect(problems.filter(({ accepted }) => accepted === undefined)).toEqual([]);
  expect(problems.map(({ code }) => code).sort()).toEqual(["HF110", "HF122"]);
});

test("a good certificate of the operator's has no finding", () => {
  const tls = check(files, withTls({})).filter(({ code }) => code.startsWith("HF16"));
  expect(tls).toEqual([]);
});

test.each([
  ["*.example.test", "access.example.test", true],
  ["*.example.test", "a.access.example.test", false],
  ["*.example.test", "example.test", false],
  ["ACCESS.example.test", "access.example.test", true],
])("a certificate for %s covers %s: %s", (own, domain, covered) => {
  const edits = { ...files, "domain: access.example.test": `domain: ${domain}` };
  const codes = check(edits, withCertificate({ names: [own] })).map(({ code }) => code);
  expect(codes.includes("HF165")).toBe(!covered);
});

test("three database hosts in three zones need no acceptance of HF122", () => {
  const edits = {
    [database]: "database:\n  hosts: [data1, data2, data3]",
    "address: 10.77.10.33, memory: 2GiB": "address: 10.77.10.33, memory: 4GiB",
  };
  expect(check(edits).map(({ code }) => code)).not.toContain("HF122");
});

test("an accepted error counts no more and keeps its reason", () => {
  const text = `${plain}\naccept: [{ code: HF101, reason: a second host arrives in March }]\n`;
  const problems = check({ "[app1, app2]": "[app1]" }, facts, text);
  const accepted = problems.find(({ code }) => code === "HF101");
  expect(accepted).toMatchObject({ severity: "error", accepted: "a second host arrives in March" });
  expect(problems.filter(isBlocking)).toEqual([]);
});

test.each([
  ["HF100", "HF198", "HF100 is no code of holdfast check"],
  ["HF020", "HF198", "HF020 is no code of holdfast check"],
  ["HF101", "HF199", "there is no finding HF101 to accept"],
])("accepting %s in vain is a warning", (code, expected, found) => {
  const text = `${plain}\naccept: [{ code: ${code}, reason: no good reason }]\n`;
  const problem = check({}, facts, text).find((each) => each.code === expected);
  expect(problem).toMatchObject({ path: "accept[0].code", severity: "warning", found });
});
