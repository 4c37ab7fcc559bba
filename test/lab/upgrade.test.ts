/** Upgrades of the example app on real machines, under the drill's load. R1.7, R1.8. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { poll } from "../../src/lib/retry.ts";
import { loadRecord } from "../../src/run/upgrade/record.ts";
import { addsColumn, buildRelease, downgrades, failsReads, unhealthy } from "../support/app-package.ts";
import { home, must, node } from "../support/lab.ts";
import { removeAfterTests, root, testService, type TestService } from "../support/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await testService();
  await service.ok(["up", "--yes"]);
}, 900_000);
removeAfterTests(() => service);

const inAppHosts = async (...argv: [string, ...string[]]): Promise<string[]> => {
  const lab = await service.lab();
  const outputs = await Promise.all(["app1", "app2"].map((name) => must(lab.machine(name), ...argv)));
  return outputs.map((output) => output.trim());
};
const releases = async (): Promise<string[]> =>
  (await inAppHosts("readlink", "/opt/access-manager/current")).map((link) => link.replace("releases/", ""));

/** What runs: each test goes on from what the one before has left. */
const running = async (): Promise<string> => (await releases())[0] ?? "";

interface Drilled {
  readonly tookEffect: boolean;
  readonly proof: string;
  readonly failedIdempotentRequests: number;
  readonly requests: number;
  readonly acknowledgedWritesLost: number;
}

/** Upgrades under load. */
async function drillUpgrade(archive: string): Promise<Drilled> {
  const { stdout, stderr } = await service.holdfast([
    "drill",
    "app-upgrade",
    "--package",
    archive,
    "--rate",
    "40",
    "--json",
  ]);
  const summary = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as { faults: Drilled[] };
  const [drilled] = summary.faults;
  if (drilled === undefined) throw new Error(`no drill: ${stderr}`);
  return drilled;
}

const resultOf = (stdout: string): Record<string, unknown> =>
  JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;

const costsNothing = { tookEffect: true, failedIdempotentRequests: 0, acknowledgedWritesLost: 0 };

/** `up` has nothing to do: hosts, topology file and package agree, and no host is left out of the pool. */
async function expectSettled(version: string): Promise<void> {
  expect(await releases()).toEqual([version, version]);
  expect(await readFile(service.file, "utf8")).toContain(`access-manager-${version}.tar.gz`);
  expect((await service.ok(["plan", "--json"])).stdout).toContain('"steps":0');
  const status = await service.ok(["status", "--json"]);
  expect(JSON.parse(status.stdout)).toMatchObject({ verdict: "up" });
}

describe("a rolling upgrade under load", () => {
  it("with a migration costs no idempotent request and no acknowledged write", async () => {
    const archive = await buildRelease(service.directory, {
      version: "2.0.0",
      compatibleWith: ["1.0.0"],
      edits: [addsColumn],
    });
    const drilled = await drillUpgrade(archive);
    expect(drilled).toMatchObject({ ...costsNothing, proof: "every app host runs 2.0.0" });
    expect(drilled.requests).toBeGreaterThan(400);
    await expectSettled("2.0.0");
  });

  it("takes a release that is never healthy back by itself, at no cost either", async () => {
    const before = await running();
    const archive = await buildRelease(service.directory, {
      version: "3.0.0",
      compatibleWith: [before],
      edits: [addsColumn, unhealthy],
    });
    const drilled = await drillUpgrade(archive);
    expect(drilled).toMatchObject(costsNothing);
    expect(drilled.proof).toContain(
      `every app host runs ${before}: 3.0.0 was rolled back: install on app1: `,
    );
    await expectSettled(before);
  });
});

describe("a rolling upgrade", () => {
  it("takes a release back that is healthy and fails its reads, also while no client has come back", async () => {
    const before = await running();
    const archive = await buildRelease(service.directory, {
      version: "4.0.0",
      compatibleWith: [before],
      edits: [addsColumn, failsReads],
    });
    const { code, stdout } = await service.holdfast(["upgrade", archive, "--watch", "2s", "--yes", "--json"]);
    expect(code).toBe(1);
    expect(resultOf(stdout)).toMatchObject({
      outcome: "rolled-back",
      why: expect.stringMatching(/watch .* app1: .* requests failed/),
    });
    await expectSettled(before);
  });
});

describe("an upgrade with limited downtime", () => {
  it("is refused first when it could not be taken back", async () => {
    const before = await running();
    const archive = await buildRelease(service.directory, { version: "5.0.0", edits: [addsColumn] });
    const { code, stderr } = await service.holdfast(["upgrade", archive, "--yes"]);
    expect(code).toBe(1);
    expect(stderr).toContain("this upgrade could not be rolled back");
    expect(await releases()).toEqual([before, before]);
  });

  it("goes on after kill -9, with its downtime measured", async () => {
    const before = await running();
    const archive = join(service.directory, "access-manager-5.0.0.tar.gz");
    const directory = join(home, "topologies", service.name);
    const child = spawn(
      node,
      [join(root, "dist/holdfast.cjs"), "upgrade", archive, "--no-rollback", "--yes", "--json"],
      { cwd: service.directory, env: { ...process.env, HOLDFAST_HOME: home }, stdio: "ignore" },
    );
    const exited = once(child, "exit");
    // Everything is stopped, and the first host is being installed.
    await poll(async () => ((await loadRecord(directory))?.position ?? 0) === 3, {
      deadlineMs: 60_000,
      intervalMs: 20,
      what: "the app to be stopped",
    }).finally(() => child.kill("SIGKILL"));
    await exited;
    const up = await service.holdfast(["up"]);
    expect([up.code, up.stderr]).toEqual([
      1,
      expect.stringContaining(`from ${before} to 5.0.0 is unfinished: 3 of`),
    ]);
    const left = await service.ok(["upgrade", "--resume", "--dry-run"]);
    expect(left.stdout).toContain("done  3. stop the service on app1, app2");
    const { stdout } = await service.ok(["upgrade", "--resume", "--yes", "--watch", "2s", "--json"]);
    const result = resultOf(stdout);
    expect(result).toMatchObject({ outcome: "upgraded", from: before, to: "5.0.0" });
    expect(result["downtimeMs"]).toBeGreaterThan(1000);
    expect(await inAppHosts("ls", "/opt/access-manager/releases")).toEqual([
      `${before}\n5.0.0`,
      `${before}\n5.0.0`,
    ]);
    await expectSettled("5.0.0");
  });
});

describe("a release whose migration must be taken back", () => {
  it("is, with all stopped, before the release before starts again", async () => {
    const before = await running();
    const archive = await buildRelease(service.directory, {
      version: "6.0.0",
      downgradesTo: [before],
      edits: [addsColumn, ...downgrades, unhealthy],
    });
    const { code, stdout } = await service.holdfast([
      "upgrade",
      archive,
      "--ready",
      "10s",
      "--yes",
      "--json",
    ]);
    expect(code).toBe(1);
    expect(resultOf(stdout)).toMatchObject({
      outcome: "rolled-back",
      why: expect.stringContaining("install on app1"),
    });
    await expectSettled(before);
    // The new release's own check: its migration is not there any more.
    const check = "cd /opt/access-manager/releases/6.0.0 && scripts/migrate --check";
    const app1 = (await service.lab()).machine("app1");
    expect((await app1.run(["sh", "-c", check])).code).toBe(1);
  });
});

describe("draining by hand", () => {
  it("outlives a restart of HAProxy, and ends", async () => {
    const lb1 = (await service.lab()).machine("lb1");
    const before = await running();
    await service.ok(["drain", "app1", "--deadline", "2s"]);
    await must(lb1, "systemctl", "restart", "haproxy");
    const status = await service.holdfast(["status", "--json"]);
    expect(status.stdout).toContain("app1 MAINT");
    const last = await service.holdfast(["drain", "app2"]);
    expect([last.code, last.stderr]).toEqual([
      1,
      expect.stringContaining("app2 is the only app host that serves"),
    ]);
    await service.ok(["drain", "app1", "--undo"]);
    await expectSettled(before);
  });
});
