/** access-manager: `app.cjs role-store|trail-store|monitor|migrate [--check] [--environment FILE]`. */
import { parseArgs } from "node:util";
import { parseEnvironment, readEnvironmentFile } from "./environment.ts";
import { createLog, describeError } from "./log.ts";
import { migrate, SCHEMA_VERSION, schemaVersion } from "./migrations.ts";
import { createMonitor } from "./services/monitor.ts";
import { createRoleStore } from "./services/role-store.ts";
import { createTrailStore } from "./services/trail-store.ts";
import { type Context, createContext, openDatabase, type Parts, serve } from "./start.ts";

// Put in by the bundler from the VERSION file.
declare const APP_VERSION: string | undefined;
const version = typeof APP_VERSION === "string" ? APP_VERSION : "development";

const services: Readonly<
  Record<string, { readonly name: string; readonly create: (context: Context) => Parts }>
> = {
  "role-store": { name: "role-store", create: createRoleStore },
  "trail-store": { name: "trail-store", create: createTrailStore },
  monitor: { name: "monitor-service", create: createMonitor },
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { check: { type: "boolean", default: false }, environment: { type: "string" } },
    allowPositionals: true,
  });
  const [command = ""] = positionals;
  const service = services[command];
  if (service === undefined && command !== "migrate") {
    process.stderr.write(
      "usage: app.cjs role-store|trail-store|monitor|migrate [--check] [--environment FILE]\n",
    );
    return 2;
  }
  const variables = values.environment === undefined ? process.env : readEnvironmentFile(values.environment);
  const environment = parseEnvironment(variables);
  if (service === undefined) return migrateOrCheck(environment, values.check);
  const context = createContext(environment, service.name, version);
  await serve(context, service.create(context));
  return 0;
}

async function migrateOrCheck(environment: Context["environment"], check: boolean): Promise<number> {
  const log = createLog("migrate", environment.nodeName);
  const database = openDatabase({ environment, log }, 1);
  try {
    if (!check) {
      const applied = await migrate(database);
      log.info(applied.length === 0 ? "schema is current" : "schema migrated", {
        applied,
        version: SCHEMA_VERSION,
      });
      return 0;
    }
    const found = await schemaVersion(database);
    log.info("schema", { found, wanted: SCHEMA_VERSION });
    // A newer schema serves this release too: migrations only expand.
    return found >= SCHEMA_VERSION ? 0 : 1;
  } finally {
    await database.close();
  }
}

// Not at the top level: the bundle is CommonJS, which has no await there.
async function run(): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`access-manager: ${describeError(error)}\n`);
    process.exitCode = 1;
  }
}
void run();
