import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { expect, test } from "vitest";
import { z } from "zod";
import { rules } from "../src/core/checks/registry.ts";
import { topologySchema } from "../src/core/topology/schema.ts";
import { generatedDocs } from "./docs.ts";

const root = new URL("../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");
const docs = generatedDocs();

test.each(Object.keys(docs))("%s is up to date (npm run docs)", (path) => {
  expect(read(path)).toBe(docs[path]);
});

test("every key of the topology is described", () => {
  const undescribed: string[] = [];
  const walk = (schema: z.core.JSONSchema.BaseSchema, path: string): void => {
    for (const [key, child] of Object.entries(schema.properties ?? {})) {
      if (typeof child === "boolean") continue;
      if (child.description === undefined && child.oneOf === undefined) undescribed.push(`${path}.${key}`);
      walk(child, `${path}.${key}`);
    }
    for (const below of [schema.items, schema.additionalProperties, ...(schema.oneOf ?? [])]) {
      if (typeof below === "object" && !Array.isArray(below)) walk(below, path);
    }
  };
  walk(z.toJSONSchema(topologySchema, { io: "input" }), "");
  expect(undescribed).toEqual([]);
});

test("every rule is on the page", () => {
  for (const { code, title } of rules) expect(docs["docs/checks.md"]).toContain(`### ${code} · ${title}`);
});

test("the JSON Schema takes what the parser takes: the blueprint, before defaults and units", () => {
  const schema = z.fromJSONSchema(
    JSON.parse(docs["docs/topology.schema.json"] ?? "") as z.core.JSONSchema.JSONSchema,
  );
  const blueprint: unknown = parse(read("blueprints/privx-onprem.yaml"));
  expect(schema.safeParse(blueprint).error?.issues ?? []).toEqual([]);
  expect(schema.safeParse({ ...(blueprint as object), colour: 1 }).success).toBe(false);
});
