import { z } from "zod";
import { duration, size, topologySchema } from "../../src/core/topology/schema.ts";

interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
}

const inputSchema = (schema: z.ZodType): JsonSchema => z.toJSONSchema(schema, { io: "input" }) as JsonSchema;

/** docs/topology.schema.json: what an operator may write (before defaults and units), for editors. */
export function schemaText(): string {
  const schema = { title: "Holdfast topology", ...inputSchema(topologySchema) };
  return `${JSON.stringify(schema, undefined, 2)}\n`;
}

const introduction = `# The topology file

Generated from the schema in \`src/core/topology/schema.ts\`: \`npm run docs\`.

One YAML file describes the whole service. \`holdfast init privx-onprem\` writes a commented one to start
from; \`holdfast check\` reports every mistake in it with its line, and reviews it ([checks](checks.md)).
Unknown keys are mistakes. Editors that know the YAML language server complete and check keys with the
first line of the example.

\`\`\`yaml
# yaml-language-server: $schema=docs/topology.schema.json
holdfast: 1
name: privx-onprem
provider: { kind: lab }
network: { subnet: 10.77.10.0/24 }
zones: [a, b, c]
hosts:
  lb1: { zone: a, address: 10.77.10.11, memory: 1GiB }
  # … one line per host
entry:
  hosts: [lb1, lb2]
  address: { vip: 10.77.10.10 }
# … app, database, coordination, cache, storage, backup, objectives
\`\`\`

The whole example is [blueprints/privx-onprem.yaml](../blueprints/privx-onprem.yaml).

Durations are a number and \`ms\`, \`s\`, \`m\`, \`h\` or \`d\` (\`250ms\`, \`10s\`); sizes a number and \`KiB\`, \`MiB\`,
\`GiB\` or \`TiB\` (\`2GiB\`). Paths of files on the operator's machine are relative to the topology file.
`;

/** docs/topology.md: every key with its meaning, kind of value and default. */
export function topologyPage(): string {
  const root = inputSchema(topologySchema);
  const sections = Object.entries(root.properties ?? {}).map(([key, schema]) => {
    const heading = `## ${key}\n\n${schema.description ?? ""}${required(root, key) ? " (required)" : ""}.\n`;
    const rows = keyRows(schema, "");
    if (rows.length === 0) return `${heading}\nValue: ${kind(schema)}.${defaultSentence(schema)}\n`;
    return `${heading}\n${table([["Key", "Value", "Default", "Meaning"], ...rows])}\n`;
  });
  return [introduction, ...sections].join("\n");
}

const required = (parent: JsonSchema, key: string): boolean => parent.required?.includes(key) ?? false;

const defaultSentence = (schema: JsonSchema): string =>
  schema.default === undefined ? "" : ` Default: \`${JSON.stringify(schema.default)}\`.`;

type Row = readonly [string, string, string, string];

/** Columns as wide as their widest cell, as the formatter wants them. */
function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => row.map((text) => text.replaceAll("|", "\\|")));
  const widths = [0, 1, 2, 3].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((text, column) => text.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = widths.map((width) => "-".repeat(width));
  const [head = [], ...body] = cells;
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

/** A row for every key below a schema, depth first. */
function keyRows(schema: JsonSchema, path: string): Row[] {
  if (schema.oneOf !== undefined) return schema.oneOf.flatMap((option) => optionRows(option, path));
  if (schema.items !== undefined) return keyRows(schema.items, `${path}[]`);
  const below = (key: string): string => (path === "" ? key : `${path}.${key}`);
  const named = Object.entries(schema.properties ?? {}).flatMap(([key, child]) => [
    row(below(key), child, required(schema, key)),
    ...keyRows(child, below(key)),
  ]);
  const { additionalProperties } = schema;
  const any = typeof additionalProperties === "object" ? keyRows(additionalProperties, below("<name>")) : [];
  return [...named, ...any];
}

/** One kind of several: its own constant first, then the keys that only this kind has. */
function optionRows(option: JsonSchema, path: string): Row[] {
  const properties = Object.entries(option.properties ?? {});
  const [key, choice] = properties.find(([, child]) => child.const !== undefined) ?? ["", {}];
  const place = path === "" ? "" : `${path}.`;
  const name = JSON.stringify(choice.const).replaceAll('"', "");
  const own: Row = [`\`${place}${key}: ${name}\``, "", "", choice.description ?? ""];
  const others = properties
    .filter(([other]) => other !== key)
    .map(([other, child]) => row(`${place}${other}`, child, required(option, other), `with \`${name}\``));
  return [own, ...others];
}

function row(path: string, schema: JsonSchema, isRequired: boolean, condition = ""): Row {
  const value = [kind(schema), condition].filter((text) => text !== "").join(", ");
  const fallback =
    schema.default === undefined ? (isRequired ? "required" : "") : `\`${JSON.stringify(schema.default)}\``;
  return [`\`${path}\``, value, fallback, schema.description ?? ""];
}

const patternNames: Readonly<Record<string, string>> = {
  [inputSchema(duration).pattern ?? ""]: "duration",
  [inputSchema(size).pattern ?? ""]: "size",
};

function kind(schema: JsonSchema): string {
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  if (schema.anyOf !== undefined) return schema.anyOf.map(kind).join(" or ");
  if (schema.oneOf !== undefined) return "mapping";
  if (schema.format === "ipv4") return "IPv4 address";
  if (schema.format === "cidrv4") return "IPv4 subnet";
  if (Array.isArray(schema.type)) return schema.type.map((type) => kind({ type })).join(" or ");
  switch (schema.type) {
    case undefined:
      return "";
    case "integer":
      return `whole number, ${schema.minimum} to ${schema.maximum}`;
    case "array":
      return schema.items?.properties === undefined ? "list of text" : "list of mappings";
    case "object":
      return "mapping";
    case "string":
      return patternNames[schema.pattern ?? ""] ?? "text";
    default:
      return String(schema.type);
  }
}
