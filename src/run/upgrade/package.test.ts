import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addsColumn, buildRelease, failsReads, unhealthy } from "../../../test/support/app-package.ts";
import { adoptPackage } from "./adopt.ts";
import { readPackage } from "./package.ts";
import { loadRecord, refuseDuringUpgrade } from "./record.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-upgrade-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const whole = {
  VERSION: "2.0.0\n",
  "scripts/install": "",
  "scripts/postinstall": "",
  "scripts/migrate": "",
  "release.json": '{"backwardCompatibleWith":["1.0.0"]}',
};

function archive(files: Readonly<Record<string, string>>, name = "shop-2.0.0"): string {
  const work = join(directory, "work");
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(work, "shop-2.0.0", path)), { recursive: true });
    writeFileSync(join(work, "shop-2.0.0", path), text);
  }
  const file = join(directory, `${name}.tar.gz`);
  execFileSync("tar", ["-czf", file, "-C", work, "shop-2.0.0"]);
  return file;
}
const without = (key: keyof typeof whole): Record<string, string> =>
  Object.fromEntries(Object.entries(whole).filter(([name]) => name !== key));
const read = (file: string) => readPackage(file, "shop", directory);

describe("a package", () => {
  it("is read by a path relative to where the operator is", async () => {
    archive(whole);
    expect(await read("shop-2.0.0.tar.gz")).toEqual({
      at: {
        version: "2.0.0",
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        package: join(directory, "shop-2.0.0.tar.gz"),
      },
      release: { backwardCompatibleWith: ["1.0.0"], downgradesTo: [] },
    });
  });

  it("is refused with what is wrong, before anything is touched", async () => {
    await expect(read(archive(without("scripts/migrate")))).rejects.toThrow(
      "it has no shop-2.0.0/scripts/migrate",
    );
    await expect(read(archive({ ...whole, VERSION: "2.0.1" }))).rejects.toThrow("but its VERSION says 2.0.1");
    await expect(read(archive({ ...whole, "release.json": "[]" }))).rejects.toThrow(/release\.json: /);
    const promise = { ...whole, "release.json": '{"downgradesTo":["1.0.0"]}' };
    await expect(read(archive(promise))).rejects.toThrow("there is no scripts/downgrade");
    await expect(read(archive(whole, "other-2.0.0"))).rejects.toThrow("is not named shop-<version>.tar.gz");
    await expect(read(join(directory, "shop-9.tar.gz"))).rejects.toThrow("cannot read");
    writeFileSync(join(directory, "shop-3.tar.gz"), "no archive");
    await expect(read(join(directory, "shop-3.tar.gz"))).rejects.toThrow("cannot be read as a .tar.gz");
  });

  it("promises nothing without release.json", async () => {
    expect((await read(archive(without("release.json")))).release).toEqual({
      backwardCompatibleWith: [],
      downgradesTo: [],
    });
  });

  it("the example's own later releases are such packages", async () => {
    const path = await buildRelease(directory, {
      version: "3.0.0",
      compatibleWith: ["1.0.0"],
      edits: [addsColumn, unhealthy, failsReads],
    });
    const { at, release } = await readPackage(path, "access-manager", directory);
    expect(at.version).toBe("3.0.0");
    expect(release).toEqual({ backwardCompatibleWith: ["1.0.0"], downgradesTo: [] });
  }, 60_000);
});

describe("the topology file", () => {
  const text = "# ours\napp:\n  name: shop # the shop\n  package: ../old/shop-1.0.0.tar.gz # from CI\n";

  it("names the new package, and is otherwise as it was, also behind a link", async () => {
    const file = join(directory, "holdfast.yaml");
    writeFileSync(file, text, { mode: 0o644 });
    symlinkSync(file, join(directory, "link.yaml"));
    for (let twice = 0; twice < 2; twice += 1)
      await adoptPackage(join(directory, "link.yaml"), "/new/shop-2.0.0.tar.gz");
    const lines = readFileSync(file, "utf8").split("\n");
    expect(lines[3]).toMatch(/^ {2}package: (\.\.\/)+new\/shop-2\.0\.0\.tar\.gz # from CI$/);
    expect(lines.filter((_, index) => index !== 3).join("\n")).toBe(
      text
        .split("\n")
        .filter((_, index) => index !== 3)
        .join("\n"),
    );
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(readdirSync(directory).sort()).toEqual(["holdfast.yaml", "link.yaml"]);
    await adoptPackage(file, join(directory, "a: b.tar.gz"));
    expect(readFileSync(file, "utf8")).toContain('package: "a: b.tar.gz" # from CI');
  });

  it("is told by hand when it has no place for it", async () => {
    const file = join(directory, "holdfast.yaml");
    writeFileSync(file, "app: {}\n");
    await expect(adoptPackage(file, "/new/shop.tar.gz")).rejects.toThrow("no value at app.package");
  });
});

describe("the record", () => {
  it("is none before, and is not guessed when it is damaged", async () => {
    expect(await loadRecord(directory)).toBeNull();
    await refuseDuringUpgrade(directory);
    writeFileSync(join(directory, "upgrade.json"), '{"format":1');
    await expect(loadRecord(directory)).rejects.toThrow("is not the record of an upgrade");
    await expect(refuseDuringUpgrade(directory)).rejects.toThrow("is not the record of an upgrade");
  });
});
