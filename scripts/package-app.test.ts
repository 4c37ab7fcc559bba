import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { packageApp } from "./package-app.ts";

const directory = mkdtempSync(join(tmpdir(), "access-manager-package-"));
const release = join(directory, "access-manager-1.0.0");

beforeAll(async () => {
  const { path } = await packageApp(join(directory, "app.tar.gz"));
  execFileSync("tar", ["-C", directory, "-xzf", path]);
}, 60_000);
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs one of the package's scripts below its own root. */
function run(
  script: string,
  root: string,
  ...args: readonly string[]
): { status: number | null; out: string; err: string } {
  const env = { ...process.env, DESTDIR: root };
  const { status, stdout, stderr } = spawnSync(join(release, "scripts", script), args, {
    env,
    encoding: "utf8",
  });
  return { status, out: stdout.trim(), err: stderr };
}

describe("the package", () => {
  test("has the same bytes whenever it is built", async () => {
    const again = await packageApp(join(directory, "again.tar.gz"));
    expect(readFileSync(again.path).equals(readFileSync(join(directory, "app.tar.gz")))).toBe(true);
    expect(readdirSync(directory).filter((name) => name.includes(".tar.gz."))).toEqual([]);
  }, 60_000);

  test("holds one directory with what the contract asks for", () => {
    expect(readFileSync(join(release, "VERSION"), "utf8")).toBe("1.0.0\n");
    for (const script of ["install", "postinstall", "migrate", "backup", "restore"]) {
      expect(statSync(join(release, "scripts", script)).mode & 0o777).toBe(0o755);
    }
    expect(existsSync(join(release, "ui/index.html"))).toBe(true);
  });

  test("its bundle runs by itself", () => {
    const { status, stderr } = spawnSync(process.execPath, [join(release, "app.cjs")], { encoding: "utf8" });
    expect([status, stderr]).toEqual([2, expect.stringContaining("usage: app.cjs role-store|")]);
    const bare = spawnSync(process.execPath, [join(release, "app.cjs"), "monitor"], {
      env: {},
      encoding: "utf8",
    });
    expect([bare.status, bare.stderr]).toEqual([1, expect.stringContaining("NODE_NAME is not set")]);
  });

  test("its page works under a strict CSP: nothing inline", () => {
    const html = readFileSync(join(release, "ui/index.html"), "utf8");
    expect(html).not.toMatch(/<style|style=|\son\w+=|<script(?![^>]*\ssrc=)|https?:\/\//);
  });

  test("postinstall is skipped when asked to", () => {
    const { status, stdout } = spawnSync(join(release, "scripts/postinstall"), {
      env: { ...process.env, SKIP_POSTINSTALL: "1", NODE: "/bin/false" },
      encoding: "utf8",
    });
    expect([status, stdout]).toEqual([0, "postinstall: skipped (SKIP_POSTINSTALL=1)\n"]);
  });
});

describe("install", () => {
  test("puts every unit in place, again changes nothing, and a cut run is finished", () => {
    const root = join(directory, "installed");
    mkdirSync(root);
    const units = join(root, "etc/systemd/system");
    expect(run("install", root)).toEqual({ status: 0, out: "", err: "" });
    const names = readdirSync(join(release, "systemd"));
    expect(readdirSync(units)).toEqual(expect.arrayContaining(names));
    // A cut run leaves a half-written new file, and a unit of an older release.
    const untouched = (): number => statSync(join(units, "access-manager-trail-store.service")).ino;
    const before = untouched();
    writeFileSync(join(units, "access-manager.target.new"), "[Un");
    writeFileSync(join(units, "access-manager-role-store.service"), "older");
    expect(run("install", root).status).toBe(0);
    for (const name of names) {
      expect(readFileSync(join(units, name), "utf8")).toBe(
        readFileSync(join(release, "systemd", name), "utf8"),
      );
    }
    expect(untouched()).toBe(before);
  });
});

describe("backup and restore", () => {
  const node = join(directory, "node");
  const backups = join(directory, "backups");
  const configuration = join(node, "etc/holdfast/app");
  const certificate = join(node, "etc/holdfast/tls/app/cert.pem");
  let backup = "";

  beforeAll(() => {
    mkdirSync(configuration, { recursive: true });
    mkdirSync(join(node, "etc/holdfast/tls/app"), { recursive: true });
    const environment =
      "NODE_NAME=app1\nAPI_TOKEN_FILE=/etc/holdfast/app/token\nTLS_CERT_FILE=/etc/holdfast/tls/app/cert.pem\n";
    writeFileSync(join(configuration, "environment"), environment, { mode: 0o640 });
    writeFileSync(join(configuration, "token"), "s3cret\n", { mode: 0o600 });
    writeFileSync(certificate, "CERTIFICATE\n", { mode: 0o644 });
    const { status, out, err } = run("backup", node, backups);
    if (status !== 0) throw new Error(err);
    backup = out;
  });

  test("is named by host and minute, for root's eyes only, and complete", () => {
    expect(backup).toMatch(/\/backups\/[^/]+_\d{4}-\d\d-\d\d-\d{4}$/);
    expect(statSync(backup).mode & 0o077).toBe(0);
    expect(statSync(join(backup, "files/etc/holdfast/tls/app/cert.pem")).mode & 0o077).toBe(0);
    expect(readdirSync(backups).length).toBe(1);
  });

  test("comes back on a fresh node, with its modes, and again is harmless", () => {
    const fresh = join(directory, "fresh");
    mkdirSync(fresh);
    for (const _ of [1, 2]) expect(run("restore", fresh, backup)).toMatchObject({ status: 0, err: "" });
    expect(readFileSync(join(fresh, "etc/holdfast/app/token"), "utf8")).toBe("s3cret\n");
    expect(readFileSync(join(fresh, "etc/holdfast/tls/app/cert.pem"), "utf8")).toBe("CERTIFICATE\n");
    expect(statSync(join(fresh, "etc/holdfast/app/environment")).mode & 0o777).toBe(0o640);
    expect(readdirSync(join(fresh, "etc/holdfast/app"))).toEqual(["environment", "token"]);
  });

  test.each<[string, (copy: string) => void]>([
    ["damaged", (copy) => appendFileSync(join(copy, "files/etc/holdfast/app/token"), "x")],
    ["missing", (copy) => rmSync(join(copy, "files/etc/holdfast/app/token"))],
    ["unfinished", (copy) => rmSync(join(copy, "manifest.sha256"))],
    ["extended", (copy) => writeFileSync(join(copy, "files/etc/holdfast/app/extra"), "x")],
  ])("%s: nothing is changed", (name, change) => {
    const copy = join(directory, name);
    execFileSync("cp", ["-a", backup, copy]);
    change(copy);
    const root = join(directory, `${name}-root`);
    mkdirSync(root);
    const { status, err } = run("restore", root, copy);
    expect([status, err]).toEqual([1, expect.stringContaining("nothing was changed")]);
    expect(readdirSync(root)).toEqual([]);
  });

  test("a node that is not configured has nothing to back up", () => {
    const { status, err } = run("backup", join(directory, "nowhere"), backups);
    expect([status, err]).toEqual([1, expect.stringContaining("this node is not configured")]);
  });
});
