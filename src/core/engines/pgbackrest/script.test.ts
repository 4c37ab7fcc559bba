import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { blueprint } from "../../../../test/support/render.ts";
import { databaseBackupScript } from "./script.ts";

/** The script as it is on a host, among programs that answer what a test says and note how they were called. */
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "holdfast-database-backup-"));
  program("runuser", 'shift 3; exec "$@"');
  program("psql", "echo t");
  repository([]);
  program("systemctl", "echo inactive");
});
afterEach(() => rmSync(root, { recursive: true }));

function program(name: string, body: string): void {
  const note = `printf '%s\\n' "${name} $*" >> '${join(root, "calls")}'`;
  writeFileSync(join(root, name), `#!/bin/sh\n${note}\n${body}\n`, { mode: 0o755 });
}

interface Made {
  readonly type: string;
  readonly start: number;
  readonly error?: boolean;
}
function repository(backups: readonly Made[], { held = false, stanza = "privx-onprem" } = {}): void {
  const info = [
    {
      name: stanza,
      backup: backups.map(({ type, start, error = false }) => ({
        type,
        error,
        timestamp: { start, stop: start },
      })),
      status: { lock: { backup: { held } } },
    },
  ];
  writeFileSync(join(root, "info.json"), JSON.stringify(info));
  program("pgbackrest", `case "$*" in *info*) cat '${join(root, "info.json")}';; esac`);
}

function run(command: string, schedule: "hourly" | "daily" | "weekly" = "daily") {
  const path = join(root, "database-backup");
  const script = databaseBackupScript(blueprint(), schedule).replace(
    "/opt/patroni/bin/python3",
    "/usr/bin/env python3",
  );
  writeFileSync(path, script, { mode: 0o755 });
  return spawnSync(path, [command], {
    encoding: "utf8",
    env: { ...process.env, PATH: `${root}:${process.env["PATH"]}` },
  });
}
const status = (command: string): number | null => run(command).status;
const calls = (): string => readFileSync(join(root, "calls"), "utf8");
const now = (): number => Date.now() / 1000;
const dayOf = (seconds: number): number => Math.floor(seconds / 86_400) * 86_400;

describe("due", () => {
  it("is so on the host that leads, until this period has a full backup", () => {
    expect(status("due")).toBe(0);
    // Begun with the day: yesterday's last second was another period.
    repository([{ type: "full", start: dayOf(now()) - 1 }]);
    expect(status("due")).toBe(0);
    repository([{ type: "full", start: dayOf(now()) }]);
    expect(status("due")).toBe(1);
    repository([{ type: "incr", start: dayOf(now()) }]);
    expect(status("due")).toBe(0);
    repository([{ type: "full", start: dayOf(now()), error: true }]);
    expect(status("due")).toBe(0);
  });

  it("begins weeks on Mondays", () => {
    const monday = dayOf(now()) - ((new Date().getUTCDay() + 6) % 7) * 86_400;
    repository([{ type: "full", start: monday }]);
    expect(run("due", "weekly").status).toBe(1);
    repository([{ type: "full", start: monday - 1 }]);
    expect(run("due", "weekly").status).toBe(0);
  });

  it("is not so on a replica, nor while a backup is being made", () => {
    program("psql", "echo f");
    expect(status("due")).toBe(1);
    program("psql", "echo t");
    repository([], { held: true });
    expect(status("due")).toBe(1);
  });

  it("is not so where the repository does not answer: that is no reason to back up, and is said", () => {
    program("pgbackrest", "echo 'ERROR: [055]: unable to open' >&2; exit 55");
    const { status, stderr } = run("due");
    expect([status, stderr]).toEqual([1, "ERROR: [055]: unable to open\n"]);
  });
});

describe("the first backup", () => {
  it("is nothing to prepare for a replica, once it is there, and while it is made", () => {
    expect(status("prepared")).toBe(1);
    repository([{ type: "full", start: 1 }]);
    expect(status("prepared")).toBe(0);
    repository([], { stanza: "other" });
    expect(status("prepared")).toBe(1);
    program("systemctl", "echo activating");
    expect(status("prepared")).toBe(0);
    program("systemctl", "echo inactive");
    program("psql", "echo f");
    expect(status("prepared")).toBe(0);
  });

  it("is made by the unit, after the stanza", () => {
    expect(run("prepare")).toMatchObject({ status: 0, stderr: "" });
    const made = calls();
    expect(made).toContain("pgbackrest --stanza=privx-onprem stanza-create\n");
    expect(made.indexOf("stanza-create")).toBeLessThan(
      made.indexOf("systemctl start holdfast-database-backup.service"),
    );
  });

  it("takes over the stanza of a cluster that is gone only while there is nothing to lose", () => {
    const refuses = `case "$*" in *stanza-create) echo 'ERROR: [028]: do not match' >&2; exit 28;; *info*) cat '${join(root, "info.json")}';; esac`;
    program("pgbackrest", refuses);
    expect(status("prepare")).toBe(0);
    expect(calls()).toContain("stanza-upgrade");
    rmSync(join(root, "calls"));
    repository([{ type: "full", start: 1 }]);
    program("pgbackrest", refuses);
    const { status: code, stderr } = run("prepare");
    expect([code, stderr]).toEqual([1, "ERROR: [028]: do not match\n"]);
    expect(calls()).not.toContain("stanza-upgrade");
  });
});
