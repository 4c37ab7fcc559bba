/**
 * The database's schema. Migrations are only ever appended, and only ever expand (a later release may
 * remove what no running release uses): during an upgrade the old release runs on the new schema.
 */
import type { Database } from "./database.ts";

const migrations: readonly { readonly version: number; readonly sql: string }[] = [
  {
    version: 1,
    sql: `
      -- Counts the changes of a cached collection; its row lock also puts those changes in order.
      CREATE TABLE object_versions (name text PRIMARY KEY, version bigint NOT NULL);
      INSERT INTO object_versions VALUES ('roles', 1);

      CREATE TABLE roles (
        id text COLLATE "C" PRIMARY KEY,
        name text NOT NULL,
        description text NOT NULL DEFAULT '');
      CREATE TABLE members (
        role_id text COLLATE "C" NOT NULL REFERENCES roles ON DELETE CASCADE,
        name text COLLATE "C" NOT NULL,
        PRIMARY KEY (role_id, name));
      INSERT INTO roles (id, name, description) VALUES
        ('admin', 'Administrator', 'Full access to every target'),
        ('operator', 'Operator', 'Day-to-day access to production hosts'),
        ('auditor', 'Auditor', 'Reads the audit trail, changes nothing'),
        ('developer', 'Developer', 'Access to test hosts');
      INSERT INTO members VALUES ('admin', 'alice'), ('operator', 'bob'), ('auditor', 'carol');

      CREATE TABLE entries (
        id text COLLATE "C" PRIMARY KEY,
        value text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now());

      -- Audit events that were committed together with the change they describe, until the trail has them.
      CREATE TABLE audit_outbox (
        id uuid PRIMARY KEY,
        sequence bigint GENERATED ALWAYS AS IDENTITY,
        event jsonb NOT NULL);
      CREATE INDEX audit_outbox_sequence ON audit_outbox (sequence);

      -- Where each event of the trail's files is: can be rebuilt from the files.
      CREATE TABLE trail_index (
        id uuid PRIMARY KEY,
        at timestamptz NOT NULL,
        node text NOT NULL,
        file text NOT NULL,
        actor text NOT NULL,
        action text NOT NULL,
        object text NOT NULL);
      CREATE INDEX trail_index_at ON trail_index (at DESC, id);`,
  },
];

export const SCHEMA_VERSION = Math.max(...migrations.map(({ version }) => version));

// Any constant: it only has to differ from other programs' advisory locks in this database.
const LOCK = 7_220_108_341;
// Installing waits for a database cluster that is still being formed, and for another node's migration.
const DEADLINE_MS = 60_000;

// `migrate --check` is asked often, also while the database is away: it must say no before its caller's patience ends.
const CHECK_DEADLINE_MS = 10_000;

/** The schema's version, 0 when there is none yet. */
export async function schemaVersion(database: Database): Promise<number> {
  return database.run(async (query) => {
    const found = await query("SELECT to_regclass('schema_migrations') IS NOT NULL AS found");
    if (found.rows[0]?.["found"] !== true) return 0;
    const { rows } = await query("SELECT coalesce(max(version), 0) AS version FROM schema_migrations");
    return Number(rows[0]?.["version"]);
  }, CHECK_DEADLINE_MS);
}

/**
 * Brings the schema up to date: all or nothing, one node at a time, again is harmless.
 * @returns the versions that were applied, none when it was current.
 */
export async function migrate(database: Database): Promise<readonly number[]> {
  return database.transaction(async (query) => {
    await query("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '50s'");
    await query("SELECT pg_advisory_xact_lock($1)", [LOCK]);
    await query(`CREATE TABLE IF NOT EXISTS schema_migrations (
      version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`);
    const { rows } = await query("SELECT version FROM schema_migrations");
    const applied = new Set(rows.map((row) => Number(row["version"])));
    const missing = migrations.filter(({ version }) => !applied.has(version));
    for (const { version, sql } of missing) {
      await query(sql);
      await query("INSERT INTO schema_migrations (version) VALUES ($1)", [version]);
    }
    return missing.map(({ version }) => version);
  }, DEADLINE_MS);
}
