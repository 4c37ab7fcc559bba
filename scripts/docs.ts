/** Writes the generated pages of docs/ (npm run docs); a test fails when they are stale. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { checksPage } from "./docs/checks.ts";
import { schemaText, topologyPage } from "./docs/topology.ts";

/** Text of every generated file, by its path in the repository. */
export function generatedDocs(): Record<string, string> {
  return {
    "docs/topology.schema.json": schemaText(),
    "docs/topology.md": topologyPage(),
    "docs/checks.md": checksPage(),
  };
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..");
  for (const [path, text] of Object.entries(generatedDocs())) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}
