import { execFileSync, spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { blueprint } from "../../../../test/support/render.ts";
import { packageTasks } from "./tasks.ts";

/** The tasks' own scripts, run on a temporary directory in place of /opt/access-manager. */
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "holdfast-app-"));
  mkdirSync(join(root, "releases"));
});
afterEach(() => rmSync(root, { recursive: true }));

const archive = (version: string): string => join(root, `package-${version}.tar.gz`);

function makeArchive(version: string, content: string, top = `access-manager-${version}`): void {
  const work = mkdtempSync(join(tmpdir(), "holdfast-package-"));
  mkdirSync(join(work, top));
  writeFileSync(join(work, top, "VERSION"), `${version}\n`);
  writeFileSync(join(work, top, "content"), content);
  execFileSync("tar", ["-czf", archive(version), "-C", work, top]);
  rmSync(work, { recursive: true });
}

function runTask(id: string, part: "done" | "act", version: string, sha256 = "a".repeat(64)) {
  const task = packageTasks(blueprint(), "app1", { version, sha256 }).find((task) => task.id === id);
  const [command = "", ...args] = (task?.[part] ?? []).map((argument) =>
    argument
      .replace(`/var/lib/holdfast/packages/access-manager-${version}.tar.gz`, archive(version))
      .replaceAll("/opt/access-manager", root),
  );
  return spawnSync(command, args, { encoding: "utf8" });
}
const releases = (): string[] => readdirSync(join(root, "releases")).sort();

describe("unpacking a release", () => {
  it("is done once, and after a cut that left a part behind", () => {
    makeArchive("1.0.0", "one");
    mkdirSync(join(root, "releases/.unpack.cut"));
    expect(runTask("app-unpack", "done", "1.0.0").status).not.toBe(0);
    expect(runTask("app-unpack", "act", "1.0.0").status).toBe(0);
    expect(runTask("app-unpack", "done", "1.0.0").status).toBe(0);
    expect(releases()).toEqual(["1.0.0"]);
  });
  it("replaces the same version made from other bytes", () => {
    makeArchive("1.0.0", "one");
    runTask("app-unpack", "act", "1.0.0");
    makeArchive("1.0.0", "two");
    const other = "b".repeat(64);
    expect(runTask("app-unpack", "done", "1.0.0", other).status).not.toBe(0);
    expect(runTask("app-unpack", "act", "1.0.0", other).status).toBe(0);
    expect(readFileSync(join(root, "releases/1.0.0/content"), "utf8")).toBe("two");
    expect(releases()).toEqual(["1.0.0"]);
  });
  it("refuses an archive that is not what it should be, and leaves no release", () => {
    makeArchive("1.0.0", "one", "something-else");
    const result = runTask("app-unpack", "act", "1.0.0");
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("the archive holds no access-manager-1.0.0/VERSION that says 1.0.0");
    expect(releases().filter((name) => !name.startsWith("."))).toEqual([]);
  });
});

describe("switching to a release", () => {
  it("replaces the link", () => {
    for (const version of ["1.0.0", "1.1.0"]) {
      expect(runTask("app-current", "done", version).status).not.toBe(0);
      expect(runTask("app-current", "act", version).status).toBe(0);
      expect(runTask("app-current", "done", version).status).toBe(0);
      expect(readlinkSync(join(root, "current"))).toBe(`releases/${version}`);
    }
    expect(readdirSync(root)).toEqual(["current", "releases"]);
  });
});

const taskIds = (host: string): string[] =>
  packageTasks(blueprint(), host, { version: "1.0.0", sha256: "a" }).map((task) => task.id);

it("only the first app host runs the post-install", () => {
  expect(taskIds("app1")).toEqual(["app-unpack", "app-install", "app-postinstall", "app-current"]);
  expect(taskIds("app2")).toEqual(["app-unpack", "app-install", "app-current"]);
});
