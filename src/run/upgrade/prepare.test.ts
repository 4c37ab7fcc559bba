import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { blueprint } from "../../../test/support/render.ts";
import { beginUpgrade } from "../../core/upgrade/record.ts";
import { stateDirectory } from "../state.ts";
import { prepareUpgrade, type UpgradeSite } from "./prepare.ts";
import { saveRecord } from "./record.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-prepare-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A package of the blueprint's app in the operator's folder. @returns its name */
function archive(version: string, release = {}, extra = ""): string {
  const top = `access-manager-${version}`;
  const files = {
    VERSION: `${version}\n`,
    "release.json": JSON.stringify(release),
    "scripts/install": extra,
    "scripts/postinstall": "",
    "scripts/migrate": "",
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, top, path)), { recursive: true });
    writeFileSync(join(directory, top, path), text);
  }
  execFileSync("tar", ["-czf", join(directory, `${top}.tar.gz`), "-C", directory, top]);
  return `${top}.tar.gz`;
}

/** A site without hosts: what is refused here is refused before anybody was asked anything. */
const site = (change: Partial<UpgradeSite> = {}): UpgradeSite => ({
  topology: blueprint("privx-onprem", (raw) => {
    raw.app.package = "access-manager-1.0.0.tar.gz";
  }),
  file: join(directory, "holdfast.yaml"),
  hosts: new Map(),
  root: join(directory, "root"),
  home: join(directory, "home"),
  cwd: directory,
  reporter: {
    info: () => undefined,
    warn: () => undefined,
    event: () => undefined,
    task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
  },
  signal: new AbortController().signal,
  ...change,
});
const usual = { strategy: undefined, noRollback: false };

describe("before an upgrade", () => {
  it("there is nothing to do for the package that runs", async () => {
    const same = archive("1.0.0");
    expect(await prepareUpgrade(site(), same, usual)).toBeNull();
  });

  it("the same version with other content is refused: releases are told apart by version", async () => {
    archive("1.0.0");
    mkdirSync(join(directory, "new"));
    const other = archive("1.0.0", {}, "# another");
    execFileSync("mv", [join(directory, other), join(directory, "new")]);
    archive("1.0.0");
    const prepare = prepareUpgrade(site(), `new/${other}`, usual);
    await expect(prepare).rejects.toThrow("the topology's package is 1.0.0 too, with other content");
  });

  it("what could not be taken back is refused", async () => {
    archive("1.0.0");
    const next = archive("2.0.0", { backwardCompatibleWith: ["1.5.0"] });
    await expect(prepareUpgrade(site(), next, usual)).rejects.toThrow(
      "could not be rolled back: 1.0.0 does not",
    );
  });

  it("a blueprint is not rewritten", async () => {
    const file = join(directory, "root/blueprints/privx-onprem.yaml");
    await expect(prepareUpgrade(site({ file }), archive("2.0.0"), usual)).rejects.toThrow(
      "a blueprint is everybody's",
    );
  });

  it("an unfinished one comes first", async () => {
    const release = (version: string) => ({ version, sha256: "a".repeat(64), package: "/p" });
    await saveRecord(
      stateDirectory(site().home, "privx-onprem"),
      beginUpgrade({
        strategy: "rolling",
        rollback: "release",
        hosts: ["app1", "app2"],
        from: release("1.0.0"),
        to: release("1.1.0"),
        startedAt: 0,
        responseMs: null,
      }),
    );
    const prepare = prepareUpgrade(site(), archive("2.0.0"), usual);
    await expect(prepare).rejects.toThrow("the upgrade from 1.0.0 to 1.1.0 is unfinished: 0 of 15 done");
  });
});
