/** Later releases of the example app, for upgrades: built from its sources with small changes. */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageApp } from "../../scripts/package-app.ts";

const example = join(import.meta.dirname, "../../examples/access-manager");

interface Edit {
  /** Relative to the app's sources. */
  readonly file: string;
  readonly replace: string;
  readonly by: string;
}

/** One more migration that the release before does not notice. */
export const addsColumn: Edit = {
  file: "src/migrations.ts",
  replace: "];\n\nexport const SCHEMA_VERSION",
  by: "  { version: 2, sql: \"ALTER TABLE roles ADD COLUMN owner text NOT NULL DEFAULT ''\" },\n];\n\nexport const SCHEMA_VERSION",
};

/** Never healthy. */
export const unhealthy: Edit = {
  file: "src/services/role-store.ts",
  replace: "status: result.fit ? 200 : 503,",
  by: "status: 503,",
};

/** Healthy, and yet every third read fails. */
export const failsReads: Edit = {
  file: "src/services/role-routes.ts",
  replace: "  const loaded = (): RoleCache => {\n",
  by: '  let reads = 0;\n  const loaded = (): RoleCache => {\n    if ((reads += 1) % 3 === 0) throw new HttpError(503, "broken", {});\n',
};

/** A migration that the release before would not stand, and the way back. */
export const downgrades: readonly Edit[] = [
  {
    file: "src/migrations.ts",
    replace: "];\n\nexport const SCHEMA_VERSION",
    by: '  { version: 3, sql: "ALTER TABLE roles ADD COLUMN team text" },\n];\n\nexport const SCHEMA_VERSION',
  },
  {
    file: "src/main.ts",
    replace: "    if (!check) {\n",
    by: `    if (process.env["DOWNGRADE"] !== undefined) {
      await database.transaction(async (query) => {
        await query("ALTER TABLE roles DROP COLUMN IF EXISTS team");
        await query("DELETE FROM schema_migrations WHERE version = 3");
      }, 30_000);
      return 0;
    }
    if (!check) {
`,
  },
];

/** @returns the path of `access-manager-<version>.tar.gz` in the directory */
export async function buildRelease(
  directory: string,
  release: {
    readonly version: string;
    readonly compatibleWith?: readonly string[];
    /** With `downgrades` among the edits. */
    readonly downgradesTo?: readonly string[];
    readonly edits?: readonly Edit[];
  },
): Promise<string> {
  const source = await mkdtemp(join(tmpdir(), "holdfast-release-"));
  try {
    await cp(example, source, { recursive: true });
    await writeFile(join(source, "VERSION"), `${release.version}\n`);
    const { compatibleWith = [], downgradesTo = [] } = release;
    const said = { backwardCompatibleWith: compatibleWith, downgradesTo };
    await writeFile(join(source, "release.json"), JSON.stringify(said));
    for (const { file, replace, by } of release.edits ?? []) {
      const text = await readFile(join(source, file), "utf8");
      if (!text.includes(replace)) throw new Error(`${file} has no ${replace}`);
      await writeFile(join(source, file), text.replace(replace, by));
    }
    if (downgradesTo.length > 0) {
      const script = '#!/bin/sh\nset -eu\nDOWNGRADE=1 exec "$(dirname -- "$0")/migrate"\n';
      await writeFile(join(source, "scripts/downgrade"), script, { mode: 0o755 });
    }
    const path = join(directory, `access-manager-${release.version}.tar.gz`);
    await packageApp(path, source);
    return path;
  } finally {
    await rm(source, { recursive: true });
  }
}
