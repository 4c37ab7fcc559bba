import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { blueprint } from "../../../../test/support/render.ts";
import { appBackupScript } from "./script.ts";

/** The script as it is on a host, with the example package's own backup, below a temporary directory. */
let root: string;
let backups: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "holdfast-app-backup-"));
  backups = join(root, "backups");
  mkdirSync(backups);
  mkdirSync(join(root, "opt/current"), { recursive: true });
  cpSync("examples/access-manager/scripts", join(root, "opt/current/scripts"), { recursive: true });
  cpSync("examples/access-manager/VERSION", join(root, "opt/current/VERSION"));
  mkdirSync(join(root, "etc/holdfast/app"), { recursive: true });
  writeFileSync(join(root, "etc/holdfast/app/environment"), "NODE_NAME=app1\n");
});
afterEach(() => rmSync(root, { recursive: true }));

function run(...args: string[]) {
  const topology = blueprint("privx-onprem", (raw) => {
    raw.backup = { keep: 3, schedule: "weekly", target: { kind: "local" } };
  });
  const script = appBackupScript(topology)
    .replaceAll("/var/backups/access-manager", backups)
    .replaceAll("/opt/access-manager", join(root, "opt"))
    .replaceAll("/run/holdfast", join(root, "run"));
  const path = join(root, "app-backup");
  writeFileSync(path, script, { mode: 0o755 });
  return spawnSync(path, args, { encoding: "utf8", env: { ...process.env, DESTDIR: root } });
}

/** A backup as the script makes it, under the name of another time. */
function made(time: string): string {
  const name = `${hostname()}_${time}`;
  const result = run("create");
  if (result.status !== 0) throw new Error(result.stderr);
  const path = result.stdout.trim();
  cpSync(path, join(backups, name), { recursive: true, preserveTimestamps: true });
  rmSync(path, { recursive: true });
  return name;
}
const entries = (): string[] => readdirSync(backups).sort();

describe("create", () => {
  it("makes a backup that verifies, and says where it is", () => {
    const result = run("create");
    expect(result.stderr).toBe("");
    const name = result.stdout.trim().split("/").at(-1) ?? "";
    expect(name).toMatch(new RegExp(`^${hostname()}_\\d{4}-\\d\\d-\\d\\d-\\d{4}$`));
    expect(run("verify", name).status).toBe(0);
  });

  it("removes what was left by one that was killed, and the oldest beyond those kept", () => {
    const old = ["2026-01-01-0000", "2026-01-02-0000", "2026-01-03-0000"].map(made);
    mkdirSync(join(backups, `${hostname()}_2026-01-04-0000.Ab12Cd`));
    mkdirSync(join(backups, `${hostname()}_2026-01-01-0000.expired`));
    mkdirSync(join(backups, "other_2020-01-01-0000.Ab12Cd"));
    const created = run("create").stdout.trim().split("/").at(-1);
    expect(new Set(entries())).toEqual(new Set([...old.slice(1), created, "other_2020-01-01-0000.Ab12Cd"]));
  });

  it("removes nothing when the new backup fails", () => {
    for (const day of [1, 2, 3, 4]) made(`2026-01-0${day}-0000`);
    const before = entries();
    rmSync(join(root, "etc/holdfast/app/environment"));
    expect(run("create").status).not.toBe(0);
    expect(entries()).toEqual(before);
  });
});

describe("verify", () => {
  it("refuses a changed file, a missing one, and what has no manifest", () => {
    const changed = made("2026-01-01-0000");
    writeFileSync(join(backups, changed, "files/etc/holdfast/app/environment"), "NODE_NAME=other\n");
    expect(run("verify", changed).status).not.toBe(0);
    const missing = made("2026-01-02-0000");
    rmSync(join(backups, missing, "files/etc/holdfast/app/environment"));
    expect(run("verify", missing).status).not.toBe(0);
    mkdirSync(join(backups, `${hostname()}_2026-01-03-0000`));
    expect(run("verify", `${hostname()}_2026-01-03-0000`).stderr).toContain("no complete backup");
  });
});

describe("due", () => {
  it("is so until the present period has a good backup", () => {
    expect(run("due").status).toBe(0);
    made("2026-01-01-0000");
    expect(run("due").status).toBe(0);
    const path = run("create").stdout.trim();
    expect(run("due").status).toBe(1);
    writeFileSync(join(path, "VERSION"), "9.9.9\n");
    expect(run("due").status).toBe(0);
  });
});
