/** From the text of a topology file to a topology, or to every mistake in it at once. */
import { LineCounter, parseDocument, visit, type Alias, type Document, type YAMLError } from "yaml";
import { describe, invalid, lowerFirst, problemsOfIssues, type Issue } from "./issues.ts";
import { pathOfKeyAt, positionsOf, type Positions } from "./position.ts";
import { sortProblems, type Problem } from "./problem.ts";
import { referenceMistakes } from "./references.ts";
import { topologySchema, type Topology } from "./schema.ts";
import { wellFormedSections } from "./sections.ts";
import { isRecord } from "./shape.ts";

export interface ParsedTopology {
  /** Only when the file has no mistake. */
  readonly topology?: Topology;
  /** Mistakes, by place in the file. */
  readonly problems: readonly Problem[];
  /** Where a path stands in the text. */
  readonly positions: Positions;
}

/** @param file only for the problems' text; nothing is read. Never throws. */
export function parseTopology(text: string, file: string): ParsedTopology {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
  const positions = positionsOf(document, lines, file);
  const syntax = syntaxProblems(document, positions);
  // After a syntax mistake the rest of the text is a guess: more problems would only mislead.
  if (syntax.some((problem) => problem.code === "HF001")) return { problems: syntax, positions };

  const data = toData(document);
  if (data instanceof Error) {
    const alias = unresolvedAlias(document);
    const at = positions.offset(alias?.range?.[0] ?? 0);
    const found = alias === undefined ? data.message : `the alias *${alias.source} has no anchor`;
    const fix =
      alias === undefined ? "write the values out" : `define &${alias.source} above, or write the value out`;
    return { problems: [invalid("HF001", [], at, found, fix)], positions };
  }
  if (!isRecord(data)) {
    const found = `found ${describe(data)}, expected a mapping with \`holdfast: 1\``;
    return { problems: [invalid("HF003", [], positions.value([]), found)], positions };
  }
  const parsed = topologySchema.safeParse(data);
  const problems = sortProblems([
    ...syntax,
    ...problemsOfIssues([...(parsed.error?.issues ?? []), ...misnamedHostIssues(data)], data, positions),
    ...referenceMistakes(wellFormedSections(data)).map(({ code, path, found, fix }) =>
      invalid(code, path, positions.value(path), found, fix),
    ),
  ]);
  return parsed.success && problems.length === 0
    ? { topology: parsed.data, problems, positions }
    : { problems, positions };
}

/** zod does not look at the value of a record's key that is invalid itself: a misnamed host is looked at here. */
function misnamedHostIssues(data: Record<string, unknown>): Issue[] {
  const hosts = isRecord(data["hosts"]) ? data["hosts"] : {};
  const { keyType, valueType } = topologySchema.shape.hosts;
  return Object.entries(hosts)
    .filter(([name]) => !keyType.safeParse(name).success)
    .flatMap(([name, host]) =>
      (valueType.safeParse(host).error?.issues ?? []).map((issue) => ({
        ...issue,
        path: ["hosts", name, ...issue.path],
      })),
    );
}

function toData(document: Document): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // An alias without its anchor, or aliases that multiply without end.
    return error instanceof Error ? error : new Error(String(error));
  }
}

// After the first of these the parser complains about every line that follows from it.
const cascading: ReadonlySet<YAMLError["code"]> = new Set(["BAD_INDENT", "UNEXPECTED_TOKEN"]);

function syntaxProblems(document: Document, positions: Positions): Problem[] {
  const lines = new Set<number>();
  const codes = new Set<string>();
  const problems: Problem[] = [];
  for (const error of [...document.errors, ...document.warnings]) {
    const problem = syntaxProblem(error, document, positions);
    const followsFrom = lines.has(problem.line) || (cascading.has(error.code) && codes.has(error.code));
    if (!followsFrom) problems.push(problem);
    lines.add(problem.line);
    codes.add(error.code);
  }
  return problems;
}

function syntaxProblem(error: YAMLError, document: Document, positions: Positions): Problem {
  const at = positions.offset(startOfQuote(document, error) ?? error.pos[0]);
  if (error.code === "DUPLICATE_KEY") {
    const path = pathOfKeyAt(document.contents, error.pos[0]) ?? [];
    return invalid("HF002", path, at, `"${String(path.at(-1) ?? "")}" is given twice`, "keep one of them");
  }
  const fixes: Partial<Record<YAMLError["code"], string>> = {
    TAB_AS_INDENT: "indent with spaces",
    MULTIPLE_DOCS: "a topology is one document: remove the line `---` and what follows",
    BLOCK_AS_IMPLICIT_KEY: "put the nested mapping on its own lines, or quote a value that has `: ` in it",
    MISSING_CHAR: "close the quote or bracket",
    BAD_ALIAS: "define the anchor before it is used",
    TAG_RESOLVE_FAILED: "remove the tag (the word that starts with !)",
  };
  return invalid(
    "HF001",
    [],
    at,
    lowerFirst(error.message),
    fixes[error.code] ?? "correct the YAML syntax here",
  );
}

function unresolvedAlias(document: Document): Alias | undefined {
  let found: Alias | undefined;
  visit(document, {
    Alias: (_key, alias) => {
      if (alias.resolve(document) === undefined) found ??= alias;
    },
  });
  return found;
}

/** An open quote is noticed at the end of the file; the mistake is where it opens. */
function startOfQuote(document: Document, error: YAMLError): number | undefined {
  if (error.code !== "MISSING_CHAR") return undefined;
  let start: number | undefined;
  visit(document, {
    Scalar: (_key, { type, range }) => {
      const quoted = type === "QUOTE_DOUBLE" || type === "QUOTE_SINGLE";
      if (quoted && range !== undefined && range !== null && range[1] >= error.pos[0]) start = range[0];
    },
  });
  return start;
}
