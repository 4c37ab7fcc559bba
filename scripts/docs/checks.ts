import { acceptCodes, ruleGroups } from "../../src/core/checks/registry.ts";
import { invalidCodes } from "../../src/core/topology/codes.ts";

interface Entry {
  readonly code: string;
  readonly title: string;
  readonly severity: string;
  readonly why: string;
  readonly fix: string;
}

const introduction = `# Checks

Generated from the rules themselves: \`npm run docs\`.

\`holdfast check [FILE]\` reads a topology and says what is wrong or risky in it, each finding with its
place, what was found and how to fix it. It exits with 2 when the file is invalid or has an error that
nobody accepted, with 0 otherwise; warnings do not change the exit status. \`--json\` prints one
\`{"type":"problem",…}\` line per finding and a \`{"type":"check",…}\` line at the end.

- **HF0xx**: the file is invalid. Nothing runs until it is corrected.
- **HF1xx**: the file is valid and a rule has found something. When it is a decision and not a mistake,
  accept it in the file; the reason is printed from then on:

\`\`\`yaml
accept:
  - code: HF122
    reason: two database hosts, as the guide has; a lost replica must be repaired at once
\`\`\`

An entry covers every finding of its code; an entry for a finding that is not there is a warning itself.
`;

/** docs/checks.md: every code with its severity, why it matters and how to fix it. */
export function checksPage(): string {
  const invalid = Object.entries(invalidCodes).map(([code, entry]) => ({
    code,
    severity: "error",
    ...entry,
  }));
  const accepting = Object.entries(acceptCodes).map(([code, entry]) => ({
    code,
    severity: "warning",
    ...entry,
  }));
  const groups = Object.entries(ruleGroups).map(([group, rules]) => section(group, rules));
  return [
    introduction,
    ...groups,
    section("Accepted findings", accepting),
    section("Invalid files", invalid),
  ].join("\n");
}

function section(title: string, entries: readonly Entry[]): string {
  return [`## ${title}\n`, ...entries.map(entryText)].join("\n");
}

const entryText = ({ code, title, severity, why, fix }: Entry): string =>
  `### ${code} · ${title} (${severity})\n\n${why}\n\n**Fix:** ${fix}${fix.endsWith(".") ? "" : "."}\n`;
