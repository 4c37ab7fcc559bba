/** Roles and members over REST: read from the cache, changed in the database. */
import type { Role, RoleCache } from "../cache.ts";
import type { Database } from "../database.ts";
import { addMember, type Changed, createRole, deleteRole, putRole, removeMember } from "../roles.ts";
import { HttpError, type Request, type Route, textField } from "../router.ts";
import { newEvent, type TrailEvent } from "../trail-event.ts";

/** What may be known without a token: not the members. */
const open = ({ id, name, description }: Role): object => ({ id, name, description });

/** Called after each committed change. */
type OnChange = (id: string, change: Changed) => Promise<void>;

export function roleRoutes(
  api: string,
  cache: RoleCache,
  database: Database,
  changed: OnChange,
): readonly Route[] {
  const loaded = (): RoleCache => {
    if (cache.version === 0) throw new HttpError(503, "the roles are not loaded yet", { "retry-after": "1" });
    return cache;
  };
  return [
    {
      method: "GET",
      path: `${api}/roles`,
      open: true,
      handle: () => ({ status: 200, body: { roles: loaded().roles.map(open), version: cache.version } }),
    },
    {
      method: "GET",
      path: `${api}/roles/:id`,
      open: true,
      handle: ({ parameters }) => {
        const role = loaded().role(parameters["id"] ?? "");
        if (role === undefined) throw new HttpError(404, "no such role");
        return { status: 200, body: open(role) };
      },
    },
    {
      // For peers, with the members, and with the version it belongs to.
      method: "GET",
      path: `${api}/cache/roles/:id`,
      handle: ({ parameters }) => {
        const role = loaded().role(parameters["id"] ?? "") ?? null;
        return { status: 200, body: { version: cache.version, role } };
      },
    },
    {
      method: "POST",
      path: `${api}/roles`,
      handle: async (request) => {
        const role = roleFields(await request.json());
        const change = await createRole(database, role, event(request, "role.create", role.id));
        await changed(role.id, change);
        return { status: 201, body: change.role };
      },
    },
    {
      method: "PUT",
      path: `${api}/roles/:id`,
      handle: async (request) => {
        const body = await request.json();
        const role = roleFields({ ...(body as object), id: request.parameters["id"] });
        const change = await putRole(database, role, event(request, "role.put", role.id));
        await changed(role.id, change);
        return { status: 200, body: change.role };
      },
    },
    {
      method: "DELETE",
      path: `${api}/roles/:id`,
      handle: async (request) => {
        const id = request.parameters["id"] ?? "";
        await changed(id, await deleteRole(database, id, event(request, "role.delete", id)));
        return { status: 204 };
      },
    },
    ...memberRoutes(api, loaded, database, changed),
  ];
}

function memberRoutes(
  api: string,
  loaded: () => RoleCache,
  database: Database,
  changed: OnChange,
): readonly Route[] {
  return [
    {
      method: "GET",
      path: `${api}/members`,
      handle: () => {
        const members = loaded().roles.flatMap((role) =>
          role.members.map((name) => ({ role: role.id, name })),
        );
        return { status: 200, body: { members } };
      },
    },
    {
      method: "POST",
      path: `${api}/members`,
      handle: async (request) => {
        const body = await request.json();
        const role = textField(body, "role", { max: 100 });
        const name = textField(body, "name", { max: 200 });
        const change = await addMember(database, role, name, event(request, "member.add", `${role}/${name}`));
        await changed(role, change);
        return { status: 201, body: { role, name } };
      },
    },
    {
      method: "DELETE",
      path: `${api}/members/:role/:name`,
      handle: async (request) => {
        const { role = "", name = "" } = request.parameters;
        const change = await removeMember(
          database,
          role,
          name,
          event(request, "member.remove", `${role}/${name}`),
        );
        await changed(role, change);
        return { status: 204 };
      },
    },
  ];
}

function roleFields(body: unknown): { id: string; name: string; description: string } {
  return {
    id: textField(body, "id", { max: 100 }),
    name: textField(body, "name", { max: 200 }),
    description: textField(body, "description", { max: 2_000, optional: true }),
  };
}

/** The API token names no person; a front that knows the user says so in a header. */
function event(request: Request, action: string, object: string): TrailEvent {
  const user = request.headers["x-user"];
  return newEvent(typeof user === "string" && user !== "" ? user.slice(0, 200) : "api-token", action, object);
}
