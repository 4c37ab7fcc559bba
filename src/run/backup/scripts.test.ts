import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { exchangeScript, setAsideScript } from "./cluster.ts";
import { wrongLines } from "./database.ts";
import { prepareScript } from "./scratch.ts";

/** The scripts as they are, on directories of this test, as root without postgres. */
let root: string;
let live: string;
let work: string;
let aside: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "holdfast-restore-"));
  live = join(root, "holdfast");
  work = `${live}.restore`;
  aside = `${live}.before-now`;
  directory(live, "old");
});
afterEach(() => rmSync(root, { recursive: true }));

function directory(path: string, content: string): void {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "content"), content);
}
function copy(): void {
  directory(join(work, "data"), "restored");
  writeFileSync(join(work, "unfinished"), "");
}
const content = (path: string): string => readFileSync(join(path, "content"), "utf8");

function run(script: string, ...args: string[]) {
  const text = script
    .replaceAll("-o postgres -g postgres ", "")
    .replaceAll("/opt/patroni/bin/python3", "python3")
    .replaceAll("/run/holdfast", join(root, "run"));
  return spawnSync("sh", ["-euc", text, "sh", ...args], { encoding: "utf8" });
}

describe("exchange", () => {
  it("puts the copy in the place of what is in use, which stays beside it", () => {
    copy();
    expect(run(exchangeScript, live, work, aside)).toMatchObject({ status: 0, stderr: "" });
    expect([content(live), content(aside), existsSync(work)]).toEqual(["restored", "old", false]);
  });

  it("leaves nothing beside it where there was nothing", () => {
    copy();
    rmSync(live, { recursive: true });
    expect(run(exchangeScript, live, work, aside).status).toBe(0);
    expect(content(live)).toBe("restored");
    expect(readdirSync(root).filter((name) => name !== "run")).toEqual(["holdfast"]);
  });

  it("refuses while PostgreSQL runs there, and without a copy", () => {
    expect(run(exchangeScript, live, work, aside).status).not.toBe(0);
    copy();
    writeFileSync(join(live, "postmaster.pid"), "1\n");
    expect(run(exchangeScript, live, work, aside).status).not.toBe(0);
    expect([content(live), content(join(work, "data"))]).toEqual(["old", "restored"]);
  });
});

describe("prepare", () => {
  it("removes a copy that was not finished", () => {
    copy();
    expect(run(prepareScript, work, aside, "/nowhere")).toMatchObject({ status: 0, stderr: "" });
    expect(readdirSync(join(work, "data"))).toEqual([]);
    expect(existsSync(join(work, "unfinished"))).toBe(true);
    expect(existsSync(aside)).toBe(false);
  });

  it("keeps what was exchanged by one that was killed then", () => {
    copy();
    rmSync(join(work, "unfinished"));
    expect(run(prepareScript, work, aside, "/nowhere").status).toBe(0);
    expect([content(aside), content(live)]).toEqual(["restored", "old"]);
  });

  it("waits for nobody: another one at work is an error of its own", () => {
    mkdirSync(join(root, "run"));
    const script = `exec 8> ${join(root, "run/restore.lock")}; flock 8; ${prepareScript}`;
    copy();
    expect(run(script, work, aside, "/nowhere").status).toBe(75);
    expect(content(join(work, "data"))).toBe("restored");
  });
});

it("sets a host's data aside, once", () => {
  expect(run(setAsideScript, live, aside)).toMatchObject({ status: 0, stderr: "" });
  expect([content(aside), readdirSync(live)]).toEqual(["old", []]);
  expect(run(setAsideScript, live, `${live}.before-later`).status).toBe(0);
  expect(readdirSync(root).sort((a, b) => a.localeCompare(b))).toEqual(["holdfast", "holdfast.before-now"]);
});

it("reads what pgBackRest finds wrong in its repository", () => {
  // pgBackRest 2.45 verify --output=text
  const output = `stanza: shop
status: error
  archiveId: 15-1, total WAL checked: 9, total valid WAL: 8
    checksum invalid: 1
  backup: 20261120-150000F, status: invalid, total files checked: 970, total valid files: 969
    checksum invalid: 1
`;
  expect(wrongLines(output)).toEqual([
    "archiveId: 15-1, total WAL checked: 9, total valid WAL: 8",
    "checksum invalid: 1",
    "backup: 20261120-150000F, status: invalid, total files checked: 970, total valid files: 969",
    "checksum invalid: 1",
  ]);
  expect(wrongLines("")).toEqual([]);
  expect(wrongLines("stanza: shop\nstatus: ok\n")).toEqual([]);
});
