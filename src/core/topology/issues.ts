/** What zod found, in an operator's words: one or more problems per issue. */
import type { z } from "zod";
import { invalidCodes, type InvalidCodeName } from "./codes.ts";
import type { Positions } from "./position.ts";
import { dottedPath, type Path, type Position, type Problem } from "./problem.ts";
import { topologySchema } from "./schema.ts";
import { descriptionAt, isRecord, keysAt, placesOf } from "./shape.ts";
import { didYouMean, nearest } from "./suggest.ts";

export type Issue = z.core.$ZodIssue;

/** The mistakes of shape in `data`, which was read from the file that `positions` knows. */
export function problemsOfIssues(issues: readonly Issue[], data: unknown, positions: Positions): Problem[] {
  const misspelt = new Set<string>(); // keys that an unknown key was probably meant to be
  const problems = issues
    .filter((issue) => issue.code === "unrecognized_keys")
    .flatMap((issue) => unknownKeys(issue, data, positions, misspelt));
  for (const issue of issues) {
    if (issue.code === "unrecognized_keys") continue;
    const path = issuePath(issue.path);
    // One slip, one problem: `subnett` is reported as unknown, not also `subnet` as missing.
    if (misspelt.has(dottedPath(path)) && isMissing(data, path)) continue;
    problems.push(problemOfIssue(issue, path, data, positions));
  }
  return problems;
}

export function invalid(
  code: InvalidCodeName,
  path: Path,
  position: Position,
  found: string,
  fix: string = lowerFirst(invalidCodes[code].fix),
): Problem {
  const { file, line, column } = position;
  return { code, severity: "error", path: dottedPath(path), file, line, column, found, fix };
}

export const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

const issuePath = (path: readonly PropertyKey[]): Path =>
  path.map((part) => (typeof part === "number" ? part : String(part)));

function unknownKeys(
  issue: z.core.$ZodIssueUnrecognizedKeys,
  data: unknown,
  positions: Positions,
  misspelt: Set<string>,
): Problem[] {
  const path = issuePath(issue.path);
  const known = keysAt(topologySchema, data, path);
  const absent = known.filter((key) => isMissing(data, [...path, key]));
  return issue.keys.map((key) => {
    const here = [...path, key];
    const meant = nearest(key, absent) ?? nearest(key, known);
    if (meant !== undefined) misspelt.add(dottedPath([...path, meant]));
    const fix = meant === undefined ? misplacedFix(key, path, known) : `did you mean "${meant}"?`;
    return invalid("HF004", here, positions.key(here), `unknown key "${key}"`, fix);
  });
}

function misplacedFix(key: string, path: Path, known: readonly string[]): string {
  const here = `the keys here are ${known.join(", ")}`;
  const places = placesOf(topologySchema, key);
  // The key of another kind: `server` beside `kind: lab`.
  if (places.includes(dottedPath(path))) return `it goes with another kind; ${here}`;
  if (places.length === 0 || places.length > 3) return `remove it; ${here}`;
  const names = places.map((place) => (place === "" ? "the top of the file" : `\`${place}\``));
  return `it belongs in ${names.join(" or ")}; ${here}`;
}

function problemOfIssue(issue: Issue, path: Path, data: unknown, positions: Positions): Problem {
  const value = valueAt(data, path);
  if (isMissing(data, path)) return missingKey(issue, path, data, positions);
  const at = positions.value(path);
  const report = (code: InvalidCodeName, found: string, fix?: string): Problem =>
    invalid(code, path, at, found, fix);
  switch (issue.code) {
    case "invalid_type":
      return report(
        "HF006",
        `found ${describe(value)}, expected ${expectedType(issue)}`,
        typeFix(issue, value),
      );
    case "invalid_value":
    case "invalid_union":
      return wrongChoice(issue, path, value, at);
    case "invalid_key": {
      const message = issue.issues[0]?.message ?? issue.message;
      return invalid("HF008", path, positions.key(path), `"${String(path.at(-1))}" ${message}`, "rename it");
    }
    case "too_small":
    case "too_big":
      return report("HF009", `found ${describe(value)}, which ${rangeText(issue)}`, rangeFix(issue));
    case "custom":
      return report("HF009", `found ${describe(value)}, which is out of range`, `it ${issue.message}`);
    case "invalid_format":
      return report(
        "HF008",
        `found ${describe(value)}, which is not in the right form`,
        `it ${issue.message}`,
      );
    // Kinds that the schema does not produce today.
    case "not_multiple_of":
    case "invalid_element":
    case "unrecognized_keys":
    default:
      return report("HF006", `found ${describe(value)}: ${issue.message}`);
  }
}

function missingKey(issue: Issue, path: Path, data: unknown, positions: Positions): Problem {
  const parent = path.slice(0, -1);
  const where = parent.length === 0 ? "the file" : `\`${dottedPath(parent)}\``;
  const description = descriptionAt(topologySchema, data, path);
  const allowed = allowedValues(issue);
  const choice = allowed.length === 0 ? "" : `, one of: ${allowed.join(", ")}`;
  const fix = `add \`${String(path.at(-1))}: …\`${choice}${description === undefined ? "" : ` (${description})`}`;
  return invalid("HF005", path, positions.key(parent), `${where} lacks "${String(path.at(-1))}"`, fix);
}

function wrongChoice(
  issue: z.core.$ZodIssueInvalidValue | z.core.$ZodIssueInvalidUnion,
  path: Path,
  value: unknown,
  at: Position,
): Problem {
  if (issue.code === "invalid_union" && issue.errors.length > 0) {
    const kinds = issue.errors.flatMap((branch) => branch.map((issue) => typeName(expectedOf(issue))));
    const expected = [...new Set(kinds)].join(" or ");
    return invalid("HF006", path, at, `found ${describe(value)}, expected ${expected}`, `write ${expected}`);
  }
  if (path.length === 1 && path[0] === "holdfast") {
    return invalid("HF010", path, at, `found format version ${describe(value)}, this Holdfast reads 1`);
  }
  const texts = allowedValues(issue);
  const hint = typeof value === "string" ? didYouMean(value, texts) : "";
  return invalid(
    "HF007",
    path,
    at,
    `found ${describe(value)}, which is not allowed here`,
    `${hint}allowed: ${texts.join(", ")}`,
  );
}

/** Values that an enum, a literal or a union's discriminator takes; empty for other issues. */
function allowedValues(issue: Issue): string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  if (issue.code !== "invalid_union") return [];
  return "options" in issue && Array.isArray(issue.options)
    ? issue.options.filter((option) => option !== undefined).map(String)
    : [];
}

function rangeText(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  if (issue.code === "too_big") {
    return issue.origin === "string" || issue.origin === "array" ? "is too long" : "is too large";
  }
  if (issue.origin === "array") return "needs more items";
  return issue.origin === "string" ? "is too short" : "is too small";
}

function rangeFix(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  if (issue.message.startsWith("must")) return `it ${issue.message}`;
  const limit = Number(issue.code === "too_small" ? issue.minimum : issue.maximum);
  const noun = { string: " character", array: " item" }[issue.origin as string];
  const unit = noun === undefined ? "" : limit === 1 ? noun : `${noun}s`;
  return `it must be ${issue.code === "too_small" ? "at least" : "at most"} ${limit}${unit}`;
}

const expectedOf = (issue: Issue): string => (issue.code === "invalid_type" ? issue.expected : issue.code);

function expectedType(issue: z.core.$ZodIssueInvalidType): string {
  const form = issue.message.startsWith("must be ") ? issue.message.slice("must be ".length) : undefined;
  return form ?? typeName(issue.expected);
}

function typeName(expected: string): string {
  const names: Record<string, string> = {
    string: "text",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
    array: "a list",
    object: "a mapping",
    record: "a mapping",
  };
  return names[expected] ?? expected;
}

function typeFix(issue: z.core.$ZodIssueInvalidType, value: unknown): string {
  if (value === null) return "give it a value, or remove the key if it has a default";
  if (issue.expected === "array" && typeof value === "string") return `write a list: [${value}]`;
  if (issue.expected === "array" && isRecord(value)) return "write a list: one `- ` per item";
  const scalar = typeof value === "number" || typeof value === "boolean";
  if (issue.expected === "string" && scalar && !issue.message.startsWith("must")) {
    return `if this is meant, write it in quotes: "${String(value)}"`;
  }
  if (["int", "number"].includes(issue.expected) && typeof value === "string" && value.trim() !== "") {
    return Number.isNaN(Number(value)) ? "write a number" : `write it without quotes: ${value}`;
  }
  return `write ${expectedType(issue)}`;
}

/** The value as an operator would name it, cut to one short line. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (isRecord(value)) return "a mapping";
  const line = JSON.stringify(value);
  return line.length > 60 ? `${line.slice(0, 57)}…"` : line;
}

function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, part) => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    return (value as Record<string | number, unknown>)[part];
  }, data);
}

const isMissing = (data: unknown, path: Path): boolean =>
  path.length > 0 && valueAt(data, path) === undefined;
