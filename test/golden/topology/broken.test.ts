import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { invalidCodes } from "../../../src/core/topology/codes.ts";
import { parseTopology } from "../../../src/core/topology/parse.ts";
import { formatProblem } from "../../../src/core/topology/problem.ts";
import { applyEdits, brokenCases } from "./broken.ts";

// A copy of its own: an edit of the valid must not move the lines of every message here.
const valid = readFileSync(new URL("valid.yaml", import.meta.url), "utf8");

test("the topology that the cases break is valid", () => {
  expect(parseTopology(valid, "holdfast.yaml").problems).toEqual([]);
});

test.each(brokenCases)("broken topology: $name", async ({ name, codes, edits }) => {
  const text = applyEdits(valid, edits);
  const { topology, problems } = parseTopology(text, "holdfast.yaml");
  expect(topology).toBeUndefined();
  expect(problems.map(({ code }) => code).sort()).toEqual([...codes].sort());
  const messages = problems.map((problem) => `${formatProblem(problem, text)}\n`).join("");
  await expect(messages).toMatchFileSnapshot(`files/${name}.txt`);
});

test("every code of an invalid file has a case", () => {
  const covered = new Set(brokenCases.flatMap(({ codes }) => codes));
  expect(Object.keys(invalidCodes).filter((code) => !covered.has(code))).toEqual([]);
});
