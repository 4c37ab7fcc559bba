/** Builds dist/: the one bundle that is CLI and agent, and the example app's package. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

const packageApp = join(root, "scripts/package-app.ts");
if (existsSync(packageApp)) {
  const packaged = spawnSync(process.execPath, [packageApp], { stdio: ["ignore", "ignore", "inherit"] });
  if (packaged.status !== 0) process.exit(packaged.status ?? 1);
}

await build({
  entryPoints: [join(root, "src/main.ts")],
  outfile: join(root, "dist/holdfast.cjs.new"),
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node24",
  legalComments: "none",
  logLevel: "warning",
  define: { HOLDFAST_VERSION: JSON.stringify(version) },
});
// Renamed last: its time says when everything in dist/ was complete.
renameSync(join(root, "dist/holdfast.cjs.new"), join(root, "dist/holdfast.cjs"));
