import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DesiredHost } from "../core/plan/desired.ts";
import { HostUnreachable } from "../lib/errors.ts";
import type { Host } from "../ports.ts";
import { sha256 } from "./artifacts.ts";
import { observeHost, observeScript, parseObservation } from "./observe.ts";

const desired = (edit: Partial<DesiredHost>): DesiredHost => ({
  host: "h1",
  packages: [],
  users: [],
  directories: [],
  files: [],
  units: [],
  tasks: [],
  ...edit,
});
const task = (id: string, done: readonly string[]) => ({
  id,
  title: id,
  phase: 50 as const,
  done,
  act: ["true"],
});

describe("observeScript", () => {
  it("sees files, directories, users and tasks of a real system, through a real shell", () => {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-observe-"));
    try {
      const path = join(directory, "a file's name.conf");
      writeFileSync(path, "content\n", { mode: 0o640 });
      const file = { content: { kind: "text" as const, text: "" }, mode: 0, owner: "", secret: false };
      const script = observeScript(
        desired({
          users: [{ name: "root" }, { name: "no-such-user" }],
          directories: [
            { path: directory, mode: 0o700, owner: "root:root" },
            { path: join(directory, "none"), mode: 0o700, owner: "root:root" },
          ],
          files: [
            { ...file, path },
            { ...file, path: join(directory, "none.conf") },
          ],
          tasks: [
            task("finished", ["true"]),
            task("open", ["false"]),
            task("quoted", ["test", "it's", "=", "it's"]),
          ],
        }),
      );
      const seen = parseObservation(
        "h1",
        execFileSync("/bin/sh", ["-s"], { input: script, encoding: "utf8" }),
      );
      expect(seen.users).toEqual(["root"]);
      expect(Object.keys(seen.directories)).toEqual([directory]);
      expect(seen.files[path]).toMatchObject({ sha256: sha256("content\n"), mode: 0o640 });
      expect(Object.keys(seen.files)).toEqual([path]);
      expect(seen.tasksDone).toEqual(["finished", "quoted"]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("sees a unit whose name systemd escapes, and its file", () => {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-observe-"));
    try {
      const name = String.raw`var-backups-access\x2dmanager.mount`;
      const path = join(directory, name);
      writeFileSync(path, "content\n");
      writeFileSync(
        join(directory, "systemctl"),
        '#!/bin/sh\nfor name do :; done\ntest -f "$(dirname "$0")/$name" && echo ActiveState=active\n',
        { mode: 0o755 },
      );
      const script = observeScript(
        desired({
          files: [{ path, content: { kind: "text", text: "" }, mode: 0, owner: "", secret: false }],
          units: [{ name, phase: 20, state: "running", files: [path], onChange: "restart" }],
        }),
      );
      const env = { PATH: `${directory}:${process.env["PATH"]}` };
      const output = execFileSync("/bin/sh", ["-s"], { input: script, encoding: "utf8", env });
      const seen = parseObservation("h1", output);
      expect(seen.files[path]?.sha256).toBe(sha256("content\n"));
      expect(seen.units[name]?.active).toBe("active");
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

describe("parseObservation", () => {
  it("reads unit states and the files a unit was started with", () => {
    const seen = parseObservation(
      "h1",
      [
        "unit\tx.service\tLoadState=loaded",
        "unit\tx.service\tActiveState=active",
        "unit\tx.service\tUnitFileState=enabled",
        "unit\tx.service\tNeedDaemonReload=yes",
        "applied\tx.service\tabc /etc/x.conf",
        "unit\ty.service\tLoadState=not-found",
        "unit\ty.service\tActiveState=inactive",
        'manifest\t{"files":{"/etc/x.conf":"abc"},"units":["x.service"]}',
        "",
      ].join("\n"),
    );
    expect(seen.units["x.service"]).toEqual({
      load: "loaded",
      active: "active",
      enabled: true,
      needsDaemonReload: true,
      applied: { "/etc/x.conf": "abc" },
    });
    expect(seen.units["y.service"]).toMatchObject({ load: "not-found", applied: null });
    expect(seen.manifest.units).toEqual(["x.service"]);
  });

  it("takes a torn manifest for none", () => {
    expect(parseObservation("h1", 'manifest\t{"files":{"/et').manifest).toEqual({ files: {}, units: [] });
  });
});

describe("observeHost", () => {
  it("gives an unreachable host as data", async () => {
    const host: Host = {
      name: "h1",
      address: "10.0.0.1",
      run: () => Promise.reject(new HostUnreachable("h1", "it is off")),
    };
    expect(await observeHost(host, desired({}))).toMatchObject({
      reachable: false,
      why: expect.stringContaining("it is off"),
    });
  });
});
