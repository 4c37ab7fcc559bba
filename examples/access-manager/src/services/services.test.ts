import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseEnvironment } from "../environment.ts";
import { createLog } from "../log.ts";
import { migrate } from "../migrations.ts";
import { type Answer, dig, RestClient } from "../rest.ts";
import { Service } from "../service.ts";
import { type Context, createContext, type Parts } from "../start.ts";
import { cannotRun, eventually, freePort, TestPostgres } from "../testing/postgres.ts";
import { createMonitor } from "./monitor.ts";
import { createRoleStore } from "./role-store.ts";
import { createTrailStore } from "./trail-store.ts";

const create = {
  "role-store": createRoleStore,
  "trail-store": createTrailStore,
  "monitor-service": createMonitor,
};
type Name = keyof typeof create;
type Ports = Record<Name, number>;

/** An answer that goes on, read line by line. */
function openStream(url: string, ca: string): { readonly lines: unknown[]; ended: boolean } {
  const stream = { lines: [] as unknown[], ended: false };
  const call = request(url, { ca, agent: false, headers: { authorization: "Bearer t0ken" } }, (response) => {
    createInterface({ input: response }).on("line", (line) => stream.lines.push(JSON.parse(line)));
    response.on("close", () => (stream.ended = true));
    response.on("error", () => undefined);
  });
  call.on("error", () => undefined);
  call.end();
  return stream;
}

/** Two app nodes on one machine: a peer's services are reached at its role-store's port. */
describe.skipIf(cannotRun !== undefined)("two nodes with a real PostgreSQL", { timeout: 60_000 }, () => {
  const postgres = new TestPostgres();
  let directory = "";
  const running = new Map<string, { service: Service; parts: Parts }>();
  const ports: Record<string, Ports> = {};
  let rest: RestClient;
  let anonymous: RestClient;

  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  };
  const context = (node: string, peer: string, name: Name): Context => {
    const own = ports[node] as Ports;
    const environment = parseEnvironment({
      NODE_NAME: node,
      PEERS: `${peer}=127.0.0.1`,
      HTTPS_PORT: String(ports[peer]?.["role-store"]),
      DATABASE_HOST: "127.0.0.1",
      DATABASE_PORT: String(postgres.port),
      DATABASE_NAME: "postgres",
      DATABASE_USER: "app",
      DATABASE_PASSWORD_FILE: file("database", "unused"),
      DATABASE_CA_FILE: file("ca.pem", postgres.ca),
      TRAIL_DIR: join(directory, "trail"),
      TRAIL_REQUIRE_MOUNT: "0",
      TLS_CERT_FILE: file("cert.pem", postgres.ca),
      TLS_KEY_FILE: file("key.pem", postgres.key),
      TLS_CA_FILE: file("ca.pem", postgres.ca),
      SERVICE_PORTS: Object.entries(own)
        .map(([service, port]) => `${service}=${port}`)
        .join(","),
      API_TOKEN_FILE: file("token", "t0ken\n"),
    });
    return { ...createContext(environment, name, "1.0.0"), log: createLog(name, node, () => undefined) };
  };
  const start = async (node: string, peer: string, name: Name): Promise<void> => {
    const its = context(node, peer, name);
    const parts = create[name](its);
    const { tls, token, log } = its;
    const port = ports[node]?.[name] ?? 0;
    const service = new Service({ node, port, tls, token, routes: parts.routes, log });
    await service.listen();
    running.set(`${node} ${name}`, { service, parts });
  };
  const stop = async (key: string): Promise<void> => {
    const it = running.get(key);
    running.delete(key);
    await it?.service.stop(0);
    await it?.parts.close();
  };
  const call = (
    node: string,
    method: "GET" | "POST",
    path: string,
    body?: unknown,
    client = rest,
  ): Promise<Answer> => {
    const name = path.split("/")[1] as Name;
    return client.call(method, `https://127.0.0.1:${ports[node]?.[name]}${path}`, {
      timeoutMs: 20_000,
      body,
    });
  };
  const status = async (node: string): Promise<readonly unknown[]> => {
    const { status, body } = await call(node, "GET", "/role-store/api/v1/status");
    return [status, dig(body, "state")];
  };
  const trailLines = (): string =>
    readdirSync(join(directory, "trail"), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".jsonl"))
      .map((path) => readFileSync(join(directory, "trail", path), "utf8"))
      .join("");

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "access-manager-services-"));
    await postgres.create();
    const database = postgres.database();
    await migrate(database);
    await database.close();
    mkdirSync(join(directory, "trail"));
    for (const node of ["app1", "app2"]) {
      ports[node] = {
        "role-store": await freePort(),
        "trail-store": await freePort(),
        "monitor-service": await freePort(),
      };
    }
    const tls = { cert: postgres.ca, key: postgres.key, ca: postgres.ca };
    rest = new RestClient(tls, "t0ken");
    anonymous = new RestClient(tls, "wrong");
    for (const name of Object.keys(create) as Name[]) {
      await start("app1", "app2", name);
      await start("app2", "app1", name);
    }
    for (const node of ["app1", "app2"]) {
      await eventually(async () => {
        if ((await status(node))[1] !== "ok") throw new Error(`${node} is not fit`);
      });
    }
  }, 120_000);
  afterAll(async () => {
    await Promise.all([...running.keys()].map(stop));
    rest.close();
    anonymous.close();
    await postgres.remove();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  test("the whole node is fit once everything runs", async () => {
    await eventually(async () => {
      const { status, body } = await call("app1", "GET", "/monitor-service/api/v1/instance/status");
      expect([status, dig(body, "checks")]).toMatchObject([
        200,
        { services: true, database: true, trail: true },
      ]);
    });
  });

  test("roles are open without their members; the rest needs the token", async () => {
    const roles = await call("app1", "GET", "/role-store/api/v1/roles", undefined, anonymous);
    expect(roles.status).toBe(200);
    expect(JSON.stringify(roles.body)).toContain("Administrator");
    expect(JSON.stringify(roles.body)).not.toContain("alice");
    for (const [method, path] of [
      ["GET", "/role-store/api/v1/members"],
      ["GET", "/role-store/api/v1/entries/x"],
      ["GET", "/role-store/api/v1/cache/roles/admin"],
      ["POST", "/role-store/api/v1/roles"],
      ["POST", "/role-store/api/v1/entries"],
      ["POST", "/trail-store/api/v1/events"],
    ] as const) {
      const body = method === "POST" ? {} : undefined;
      expect((await call("app1", method, path, body, anonymous)).status).toBe(401);
    }
  });

  test("entries: created on one node, read on the other; bad input is refused", async () => {
    const path = "/role-store/api/v1/entries";
    const answers = [];
    for (const body of [
      { id: "s-1", value: "v" },
      { id: "s-1", value: "v" },
      { id: "s-1", value: "w" },
      { id: "s-1" },
    ]) {
      answers.push((await call("app1", "POST", path, body)).status);
    }
    expect(answers).toEqual([201, 200, 409, 400]);
    expect(await call("app2", "GET", `${path}/s-1`)).toEqual({
      status: 200,
      body: { id: "s-1", value: "v" },
    });
    expect((await call("app2", "GET", `${path}/none`)).status).toBe(404);
    expect((await call("app2", "GET", `${path}?prefix=s-&limit=1`)).body).toMatchObject({ next: "s-1" });
  });

  test("a change shows on the other node without any trigger, and is in the trail and its index", async () => {
    const role = { id: "tester", name: "Tester", description: "" };
    expect((await call("app1", "POST", "/role-store/api/v1/roles", role)).status).toBe(201);
    expect(
      (await call("app1", "POST", "/role-store/api/v1/members", { role: "tester", name: "dave" })).status,
    ).toBe(201);
    expect(
      (await call("app1", "POST", "/role-store/api/v1/members", { role: "none", name: "dave" })).status,
    ).toBe(404);
    expect(JSON.stringify((await call("app1", "GET", "/role-store/api/v1/members")).body)).toContain("dave");
    await eventually(async () => {
      expect(JSON.stringify((await call("app2", "GET", "/role-store/api/v1/members")).body)).toContain(
        "dave",
      );
    });
    const version = async (node: string): Promise<unknown> =>
      dig((await call(node, "GET", "/role-store/api/v1/cache")).body, "version");
    expect(await version("app2")).toBe(await version("app1"));
    await eventually(async () => {
      expect(trailLines()).toContain('"action":"member.add","object":"tester/dave"');
      expect(trailLines()).not.toContain("none/dave");
      expect(JSON.stringify((await call("app2", "GET", "/trail-store/api/v1/events")).body)).toContain(
        "tester/dave",
      );
    });
  });

  test("notes: in the trail's file, once for readers however often they are sent, read on either node", async () => {
    const path = "/trail-store/api/v1/notes";
    const note = { id: "run-t1", value: "drill value ä" };
    expect((await call("app1", "POST", path, note)).status).toBe(201);
    expect((await call("app2", "POST", path, note)).status).toBe(201);
    expect(await call("app2", "GET", `${path}/run-t1`)).toEqual({ status: 200, body: note });
    expect((await call("app1", "POST", path, { id: "run-t2", value: "second" })).status).toBe(201);
    expect((await call("app2", "GET", `${path}/run-t2`)).status).toBe(200);
    expect((await call("app1", "GET", `${path}/none`)).status).toBe(404);
    // What only the index has is not in the trail.
    for (const file of readdirSync(join(directory, "trail"), { recursive: true, encoding: "utf8" })) {
      if (!file.endsWith(".jsonl")) continue;
      const whole = readFileSync(join(directory, "trail", file), "utf8");
      writeFileSync(join(directory, "trail", file), whole.replace(/^.*run-t2.*\n/m, ""));
    }
    await stop("app1 trail-store"); // what it has read it remembers
    await start("app1", "app2", "trail-store");
    expect((await call("app1", "GET", `${path}/run-t2`)).status).toBe(404);
  });

  test("streams and database sessions go on until they are cut, and end when the service drains", async () => {
    const base = `https://127.0.0.1:${ports["app1"]?.["role-store"]}/role-store/api/v1`;
    const stream = openStream(`${base}/stream?everyMs=50`, postgres.ca);
    const session = openStream(`${base}/session?everyMs=50`, postgres.ca);
    await eventually(() => {
      expect(stream.lines.length).toBeGreaterThan(3);
      expect(session.lines.length).toBeGreaterThan(3);
    });
    expect(stream.lines[1]).toEqual({ node: "app1", n: 1 });
    const pid = dig(session.lines[1], "pid");
    expect(typeof pid).toBe("number");
    const database = postgres.database();
    await database.run((query) => query("SELECT pg_terminate_backend($1)", [pid]));
    await database.close();
    await eventually(() => expect(session.ended).toBe(true));
    expect(stream.ended).toBe(false);
    await stop("app1 role-store");
    expect(stream.ended).toBe(true);
    await start("app1", "app2", "role-store");
    await eventually(async () => expect(await status("app1")).toEqual([200, "ok"]));
    expect((await call("app1", "GET", "/role-store/api/v1/stream?everyMs=1")).status).toBe(400);
  });

  test("with the trail-store down changes go on and are delivered later; this node alone leaves the pool", async () => {
    await stop("app1 trail-store");
    const change = { role: "tester", name: "erin" };
    expect((await call("app1", "POST", "/role-store/api/v1/members", change)).status).toBe(201);
    await eventually(async () => expect(await status("app1")).toEqual([503, "unfit"]));
    expect(await status("app2")).toEqual([200, "ok"]);
    await eventually(() => expect(trailLines()).toContain("tester/erin"));
    await start("app1", "app2", "trail-store");
    await eventually(async () => expect(await status("app1")).toEqual([200, "ok"]));
  });

  test("a database that is gone for everybody leaves both nodes in the pool, reading from memory", async () => {
    await postgres.crash();
    for (const node of ["app1", "app2"]) {
      await eventually(async () => expect(await status(node)).toEqual([200, "degraded"]));
      expect((await call(node, "GET", "/role-store/api/v1/roles")).status).toBe(200);
      expect((await call(node, "GET", "/monitor-service/api/v1/instance/status")).status).toBe(503);
    }
    // Sent while there is no database, answered when there is one again.
    const write = call("app1", "POST", "/role-store/api/v1/entries", { id: "s-2", value: "v" });
    await postgres.start();
    expect((await write).status).toBe(201);
    await eventually(async () => expect(await status("app1")).toEqual([200, "ok"]));
  });

  test("unknown paths, wrong methods and oversized bodies", async () => {
    expect((await call("app1", "GET", "/role-store/api/v1/nothing")).status).toBe(404);
    expect((await call("app1", "POST", "/role-store/api/v1/status", {})).status).toBe(405);
    const large = { id: "big", value: "x".repeat(300_000) };
    expect((await call("app1", "POST", "/role-store/api/v1/entries", large)).status).toBe(413);
  });
});
