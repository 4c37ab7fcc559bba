import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { installPrerequisites, missingPrerequisites } from "../../src/hosts/lab/prerequisites.ts";
import { testReporter } from "../support/lab.ts";

const path = process.env["PATH"];
afterEach(() => {
  process.env["PATH"] = path;
  vi.restoreAllMocks();
});

test("a host that has everything lacks nothing, and the probes leave nothing", async () => {
  expect(await missingPrerequisites()).toEqual([]);
  expect(readdirSync("/sys/class/net").filter((name) => name.startsWith("hfprobe"))).toEqual([]);
  expect(readdirSync(tmpdir()).filter((name) => name.startsWith("holdfast-probe-"))).toEqual([]);
});

test("missing commands come with their package, the reason and the command that installs them", async () => {
  const empty = mkdtempSync(join(tmpdir(), "hft-path-"));
  try {
    process.env["PATH"] = empty;
    const missing = await missingPrerequisites();
    const nspawn = missing.find(({ what }) => what === "systemd-nspawn");
    expect(nspawn).toMatchObject({ package: "systemd-container", why: "runs the lab's machines" });
    expect(nspawn?.install?.slice(0, 2)).toEqual(["apt-get", "install"]);
    expect(missing.map(({ what }) => what)).toContain("mmdebstrap");
    await expect(installPrerequisites(missing, testReporter())).rejects.toThrow(
      /no apt-get to install systemd-container, mmdebstrap/,
    );
  } finally {
    rmSync(empty, { recursive: true });
  }
});

test("a kernel feature that is missing is not something to install", async () => {
  const overlay = { what: "overlay file system", why: "each machine's disk" };
  await expect(installPrerequisites([overlay], testReporter())).rejects.toThrow(
    /kernel lacks.*overlay file system/s,
  );
});

test("without root it says what to do", async () => {
  vi.spyOn(process, "getuid").mockReturnValue(1000);
  await expect(missingPrerequisites()).rejects.toMatchObject({
    message: "the lab needs root",
    fix: "run it with sudo",
  });
});
