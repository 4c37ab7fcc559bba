import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { dig, RestClient } from "./rest.ts";
import { cannotRun, eventually, freePort, TestPostgres } from "./testing/postgres.ts";

const token = "t0ken-that-nobody-may-see";
const password = "passw0rd-that-nobody-may-see";

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once("exit", (code) => resolve(code)));

describe.skipIf(cannotRun !== undefined)("the program as it runs on a host", { timeout: 60_000 }, () => {
  const postgres = new TestPostgres();
  let directory = "";
  let environment = "";
  const started: ChildProcess[] = [];
  let output = "";
  let port = 0;
  let rest: RestClient;

  const start = (...args: readonly string[]): ChildProcess => {
    const main = join(import.meta.dirname, "main.ts");
    const child = spawn(process.execPath, [main, ...args, "--environment", environment]);
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (data: Buffer) => (output += data.toString()));
    started.push(child);
    return child;
  };
  const call = (method: "GET" | "POST", path: string, body?: unknown): ReturnType<RestClient["call"]> =>
    rest.call(method, `https://127.0.0.1:${port}/role-store/api/v1${path}`, { timeoutMs: 10_000, body });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "access-manager-main-"));
    environment = join(directory, "environment");
    await postgres.create();
    port = await freePort();
    mkdirSync(join(directory, "trail"));
    const files = { password: `${password}\n`, token, "cert.pem": postgres.ca, "key.pem": postgres.key };
    for (const [name, text] of Object.entries(files))
      writeFileSync(join(directory, name), text, { mode: 0o600 });
    const file = (name: string): string => join(directory, name);
    const variables = {
      NODE_NAME: "app1",
      DATABASE_HOST: "127.0.0.1",
      DATABASE_PORT: postgres.port,
      DATABASE_NAME: "postgres",
      DATABASE_USER: "app",
      DATABASE_PASSWORD_FILE: file("password"),
      DATABASE_CA_FILE: file("cert.pem"),
      TRAIL_DIR: file("trail"),
      TRAIL_REQUIRE_MOUNT: 0,
      TLS_CERT_FILE: file("cert.pem"),
      TLS_KEY_FILE: file("key.pem"),
      TLS_CA_FILE: file("cert.pem"),
      SERVICE_PORTS: `role-store=${port},trail-store=${await freePort()},monitor-service=${await freePort()}`,
      API_TOKEN_FILE: file("token"),
      DRAIN_MS: 6_000, // so that a slow machine also sees it
    };
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(environment, lines.join(""));
    rest = new RestClient({ cert: postgres.ca, key: postgres.key, ca: postgres.ca }, token);
  }, 60_000);
  afterAll(async () => {
    for (const child of started) child.kill("SIGKILL");
    rest.close();
    await postgres.remove();
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  test("migrate --check says no, then migrate does it, then it says yes", async () => {
    expect(await exitOf(start("migrate", "--check"))).toBe(1);
    expect(await exitOf(start("migrate"))).toBe(0);
    expect(await exitOf(start("migrate", "--check"))).toBe(0);
  });

  test("SIGTERM: the status fails first, requests are served to the end, exit 0", async () => {
    const child = start("role-store");
    const exit = exitOf(child);
    await eventually(async () => expect((await call("GET", "/status")).status).toBe(200));
    // A write that cannot end yet: somebody holds a lock on its row.
    await postgres.admin(async (client) => {
      await client.query("BEGIN; INSERT INTO entries (id, value) VALUES ('held', 'x')");
      const write = call("POST", "/entries", { id: "held", value: "x" });
      await eventually(async () => {
        const sql = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        expect((await client.query(sql)).rowCount).toBe(1);
      });
      child.kill("SIGTERM");
      await eventually(async () => {
        const { status, body } = await call("GET", "/status");
        expect([status, dig(body, "state")]).toEqual([503, "draining"]);
      });
      expect((await call("GET", "/roles")).status).toBe(200);
      await client.query("COMMIT");
      expect((await write).status).toBe(200);
    });
    expect(await exit).toBe(0);
  });

  test("nothing that was said holds a secret", () => {
    expect(output).toContain('"message":"listening"');
    for (const secret of [token, password, "PRIVATE KEY"]) expect(output).not.toContain(secret);
  });
});
