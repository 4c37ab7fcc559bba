/**
 * Roles and their members in the database. Every change counts up the collection's version, even one
 * that changes nothing: so a retry after a lost answer also commits something, and waits for the replica.
 * The audit event is committed with the change (an outbox), so there is no change without its event.
 */
import type { Database, Query } from "./database.ts";
import type { Role, Snapshot } from "./cache.ts";
import { HttpError } from "./router.ts";
import type { TrailEvent } from "./trail-event.ts";

export interface Changed {
  readonly version: number;
  /** The role after the change; undefined: it was deleted. */
  readonly role: Role | undefined;
}

/** Undelivered audit events beyond which changes are refused: the trail has been gone for a long time. */
const OUTBOX_LIMIT = 10_000;

/** Everything that is cached, of one moment: one statement sees one snapshot. */
export async function loadRoles(database: Database): Promise<Snapshot> {
  return database.run(async (query) => {
    const { rows } = await query(
      `SELECT v.version, (SELECT coalesce(json_agg(role.json ORDER BY role.id), '[]') FROM (
         ${selectRole} GROUP BY r.id) AS role) AS roles
       FROM object_versions v WHERE v.name = 'roles'`,
    );
    return { version: Number(rows[0]?.["version"]), roles: rows[0]?.["roles"] as Role[] };
  });
}

/** The database's version of the roles: cheap, asked every few seconds. */
export async function rolesVersion(database: Database): Promise<number> {
  return database.run(async (query) => {
    const { rows } = await query("SELECT version FROM object_versions WHERE name = 'roles'");
    return Number(rows[0]?.["version"]);
  });
}

/** Creates a role; the same again is fine. @throws HttpError 409 when the id is taken by a different one. */
export async function createRole(
  database: Database,
  role: Omit<Role, "members">,
  event: TrailEvent,
): Promise<Changed> {
  return change(database, role.id, event, async (query) => {
    await query("INSERT INTO roles (id, name, description) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", [
      role.id,
      role.name,
      role.description,
    ]);
    const { rows } = await query("SELECT name = $2 AND description = $3 AS same FROM roles WHERE id = $1", [
      role.id,
      role.name,
      role.description,
    ]);
    if (rows[0]?.["same"] !== true) throw new HttpError(409, `role "${role.id}" exists and is different`);
  });
}

/** Creates or replaces a role; its members stay. */
export async function putRole(
  database: Database,
  role: Omit<Role, "members">,
  event: TrailEvent,
): Promise<Changed> {
  return change(database, role.id, event, async (query) => {
    await query(
      `INSERT INTO roles (id, name, description) VALUES ($1, $2, $3)
       ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = excluded.description`,
      [role.id, role.name, role.description],
    );
  });
}

/** Deletes a role with its memberships; absent is fine. */
export async function deleteRole(database: Database, id: string, event: TrailEvent): Promise<Changed> {
  return change(database, id, event, async (query) => {
    await query("DELETE FROM roles WHERE id = $1", [id]);
  });
}

/** Adds a member; already there is fine. @throws HttpError 404 when the role does not exist. */
export async function addMember(
  database: Database,
  role: string,
  name: string,
  event: TrailEvent,
): Promise<Changed> {
  return change(database, role, event, async (query) => {
    const { rowCount } = await query("SELECT 1 FROM roles WHERE id = $1", [role]);
    if (rowCount !== 1) throw new HttpError(404, `there is no role "${role}"`);
    await query("INSERT INTO members (role_id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING", [role, name]);
  });
}

/** Removes a member; absent is fine. */
export async function removeMember(
  database: Database,
  role: string,
  name: string,
  event: TrailEvent,
): Promise<Changed> {
  return change(database, role, event, async (query) => {
    await query("DELETE FROM members WHERE role_id = $1 AND name = $2", [role, name]);
  });
}

const selectRole = `SELECT r.id, json_build_object('id', r.id, 'name', r.name, 'description', r.description,
    'members', coalesce(json_agg(m.name ORDER BY m.name) FILTER (WHERE m.name IS NOT NULL), '[]')) AS json
  FROM roles r LEFT JOIN members m ON m.role_id = r.id`;

async function change(
  database: Database,
  id: string,
  event: TrailEvent,
  act: (query: Query) => Promise<void>,
): Promise<Changed> {
  return database.transaction(async (query) => {
    // First, because its row lock lets one change through at a time: versions are committed in order.
    const bumped = await query(
      "UPDATE object_versions SET version = version + 1 WHERE name = 'roles' RETURNING version",
    );
    const waiting = await query("SELECT count(*) AS n FROM (SELECT FROM audit_outbox LIMIT $1) AS o", [
      OUTBOX_LIMIT,
    ]);
    if (Number(waiting.rows[0]?.["n"]) >= OUTBOX_LIMIT) {
      throw new HttpError(503, "the audit trail is too far behind: changes are refused", {
        "retry-after": "30",
      });
    }
    await act(query);
    await query("INSERT INTO audit_outbox (id, event) VALUES ($1, $2) ON CONFLICT DO NOTHING", [
      event.id,
      event,
    ]);
    const { rows } = await query(`${selectRole} WHERE r.id = $1 GROUP BY r.id`, [id]);
    return { version: Number(bumped.rows[0]?.["version"]), role: rows[0]?.["json"] as Role | undefined };
  });
}
