import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseEnvironment, readEnvironmentFile, readSecret, servicePort } from "./environment.ts";

const complete = {
  NODE_NAME: "app1",
  PEERS: "app2=10.0.0.22, app3=10.0.0.23",
  DATABASE_HOST: "127.0.0.1",
  DATABASE_PORT: "5432",
  DATABASE_NAME: "access_manager",
  DATABASE_USER: "access_manager",
  DATABASE_PASSWORD_FILE: "/s/database",
  DATABASE_CA_FILE: "/s/ca.pem",
  REDIS_MODE: "cluster",
  REDIS_NODES: "10.0.0.31:6379,10.0.0.32:6380",
  REDIS_PASSWORD_FILE: "/s/redis",
  REDIS_CA_FILE: "/s/ca.pem",
  TRAIL_DIR: "/var/privx/audit",
  TLS_CERT_FILE: "/s/cert.pem",
  TLS_KEY_FILE: "/s/key.pem",
  TLS_CA_FILE: "/s/ca.pem",
  SERVICE_PORTS: "role-store=8441,trail-store=8442",
  HTTPS_PORT: "443",
  API_TOKEN_FILE: "/s/token",
};

describe("parseEnvironment", () => {
  test("a complete environment", () => {
    const environment = parseEnvironment(complete);
    expect(environment.peers).toEqual([
      { name: "app2", address: "10.0.0.22" },
      { name: "app3", address: "10.0.0.23" },
    ]);
    expect(environment.redis?.nodes).toEqual([
      { host: "10.0.0.31", port: 6379 },
      { host: "10.0.0.32", port: 6380 },
    ]);
    expect(servicePort(environment, "trail-store")).toBe(8442);
    expect(() => servicePort(environment, "other")).toThrow("SERVICE_PORTS has no other");
    expect(environment.trailRequireMount).toBe(true);
  });
  test("no peers, no Redis, a trail on the own disk", () => {
    const own = parseEnvironment({ ...complete, TRAIL_DIR: undefined });
    expect([own.trailDir, own.trailRequireMount]).toEqual(["/var/lib/access-manager/trail", false]);
    const environment = parseEnvironment({
      ...complete,
      PEERS: "",
      REDIS_NODES: undefined,
      TRAIL_REQUIRE_MOUNT: "0",
    });
    expect([environment.peers, environment.redis, environment.trailRequireMount]).toEqual([
      [],
      undefined,
      false,
    ]);
  });
  test("every mistake at once, never a value", () => {
    const broken = {
      ...complete,
      NODE_NAME: " ",
      DATABASE_PORT: "s3cret",
      DRAIN_MS: "soon",
      SERVICE_PORTS: "role-store",
    };
    expect(() => parseEnvironment(broken)).toThrow(
      "environment: NODE_NAME is not set; DATABASE_PORT is not a port number; " +
        "SERVICE_PORTS has a malformed item; SERVICE_PORTS is not a port number; DRAIN_MS is not a number of milliseconds",
    );
  });
});

describe("files", () => {
  const directory = mkdtempSync(join(tmpdir(), "access-manager-env-"));
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  test("an environment file as systemd reads it", () => {
    const path = file("environment", "# comment\n\nA=1\nB=\"two words\"\nC='x'\n D = no\nE=a=b\n");
    expect(readEnvironmentFile(path)).toEqual({ A: "1", B: "two words", C: "x", E: "a=b" });
  });
  test("a secret without its newline; an empty one is a mistake", () => {
    expect(readSecret(file("secret", "s3cret\n"))).toBe("s3cret");
    expect(() => readSecret(file("empty", "\n"))).toThrow("is empty");
  });
});
