/**
 * Backups and restores on real machines, through the command line: to a time, killed in the middle, and
 * after every app and data host was destroyed. R1.9, R1.10.
 */
import { rm, readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { poll } from "../../src/lib/retry.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { must } from "../support/lab.ts";
import { removeAfterTests, testService, type TestService } from "../support/service.ts";

let service: TestService;
const machine = async (name: string): Promise<LabMachine> => (await service.lab()).machine(name);
const lines = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const sql = async (host: LabMachine, query: string): Promise<string> =>
  (
    await must(
      host,
      "runuser",
      "-u",
      "postgres",
      "--",
      "psql",
      "-XAtq",
      "-h",
      "/run/postgresql",
      "-d",
      "access_manager",
      "-c",
      query,
    )
  ).trim();

async function primary(): Promise<LabMachine> {
  return poll(
    async () => {
      for (const name of ["data1", "data2"]) {
        const host = await machine(name);
        const { code, stdout } = await host.run([
          "runuser",
          "-u",
          "postgres",
          "--",
          "psql",
          "-XAtq",
          "-h",
          "/run/postgresql",
          "-d",
          "postgres",
          "-c",
          "SELECT pg_is_in_recovery()",
        ]);
        if (code === 0 && stdout.trim() === "f") return host;
      }
      return undefined;
    },
    { deadlineMs: 60_000, intervalMs: 500, what: "a primary" },
  );
}

/** Writes that are acknowledged, and archived. */
async function write(...ids: number[]): Promise<void> {
  const host = await primary();
  await sql(
    host,
    "CREATE TABLE IF NOT EXISTS kept (id int PRIMARY KEY, at timestamptz DEFAULT clock_timestamp())",
  );
  for (const id of ids) await sql(host, `INSERT INTO kept (id) VALUES (${id})`);
  const wal = await sql(host, "SELECT pg_walfile_name(pg_switch_wal())");
  await poll(
    async () => (await sql(host, `SELECT last_archived_wal >= '${wal}' FROM pg_stat_archiver`)) === "t",
    {
      deadlineMs: 30_000,
      what: `${wal} to be archived`,
    },
  );
}
const kept = async (): Promise<string> =>
  sql(await primary(), "SELECT string_agg(id::text, ' ' ORDER BY id) FROM kept");

beforeAll(async () => {
  service = await testService();
  await service.ok(["up", "--yes"]);
}, 300_000);
removeAfterTests(() => service);

describe("backups", () => {
  it("are there once `up` is done: the database's first, and its archive", async () => {
    const [first] = lines((await service.ok(["backup", "list", "--json"])).stdout);
    expect(first).toMatchObject({ of: "database", kind: "full", damaged: false, proven: null });
    const status = await service.ok(["status", "--json"]);
    expect(JSON.parse(status.stdout)).toMatchObject({
      verdict: "up",
      tiers: expect.arrayContaining([expect.objectContaining({ tier: "backup", verdict: "up" })]),
    });
  });

  it("of the app hosts are complete, or damaged and said to be", async () => {
    const made = lines((await service.ok(["backup", "app", "--json"])).stdout).map(({ path }) =>
      String(path),
    );
    expect(made).toEqual(
      ["app1", "app2"].map((host) =>
        expect.stringMatching(
          new RegExp(`^/var/backups/access-manager/${host}_\\d{4}-\\d\\d-\\d\\d-\\d{4}$`),
        ),
      ),
    );
    await service.ok(["backup", "verify"]);
    const [path = ""] = made;
    const app1 = await machine("app1");
    await must(app1, "sh", "-c", `echo changed >> ${path}/VERSION`);
    const verified = await service.holdfast(["backup", "verify"]);
    expect(verified.code).toBe(1);
    expect(verified.stdout).toContain(`${basename(path)}: VERSION: FAILED`);
    const refused = await service.holdfast(["restore", basename(path), "--to", "app1", "--yes"]);
    expect(refused.stderr).toContain("cannot be restored");
    await must(app1, "rm", "-r", path);
  });

  it("bring an app host back to what it was", async () => {
    const app2 = await machine("app2");
    const backups = lines((await service.ok(["backup", "list", "--json"])).stdout);
    const name = String(backups.find(({ hostname }) => hostname === "app2")?.["name"]);
    const environment = "/etc/holdfast/app/environment";
    const look = `cat ${environment}; stat -c '%a %U:%G' ${environment}`;
    const before = await must(app2, "sh", "-c", look);
    await must(
      app2,
      "sh",
      "-c",
      `echo X=1 > ${environment}; chmod 600 ${environment}; chown root ${environment}`,
    );
    const asked = await service.holdfast(["restore", name, "--to", "app2"]);
    expect(asked.stderr).toContain("--yes");
    await service.ok(["restore", name, "--to", "app2", "--yes"]);
    expect(await must(app2, "sh", "-c", look)).toBe(before);
  });
});

describe("the database", () => {
  it("is proven to restore, while it is in use", async () => {
    const proof = lines((await service.ok(["backup", "prove", "--json"])).stdout).at(-1);
    expect(proof).toMatchObject({ type: "proof", backup: expect.stringMatching(/F$/) });
    const [first] = lines((await service.ok(["backup", "list", "--json"])).stdout);
    expect(first?.["proven"]).toEqual(expect.any(String));
  });

  it("goes back to a time, also when a first try was killed in the middle", async () => {
    await write(1, 2);
    const at = await sql(
      await primary(),
      "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
    );
    await write(3, 4);
    const restore = ["restore", "database", "--at", at, "--yes", "--json"];
    const killed = await service.holdfast(restore, { killAfterMs: 6000 });
    expect(killed.code).toBe(null);
    await service.ok(["up", "--yes"]);
    expect(["1 2", "1 2 3 4"]).toContain(await kept());
    await service.ok(restore);
    expect(await kept()).toBe("1 2");
  });

  it("comes back with every archived write after all app and data hosts were destroyed", async () => {
    await write(5, 6, 7);
    const lost = await Promise.all(["app1", "app2", "data1", "data2", "data3"].map(machine));
    await Promise.all(lost.map(async (host) => host.remove()));
    await service.ok(["up", "--yes"]);
    const foreign = await service.holdfast(["status"]);
    expect(foreign.stdout).toContain("the backups are of another cluster");
    const restored = lines((await service.ok(["restore", "database", "--yes", "--json"])).stdout).at(-1);
    expect(await kept()).toBe("1 2 5 6 7");
    expect(restored).toMatchObject({ type: "restore", tookMs: expect.any(Number) });
    // Archives go on, into the same repository.
    await write(8);
    await service.ok(["backup", "database", "--type", "incr"]);
  });

  it("is known to be damaged in the repository", async () => {
    const lab = await service.lab();
    const repository = join(lab.sharedDirectory, "var-backups-access-manager/database/backup", service.name);
    const [label] = (await readdir(repository)).filter((name) => name.endsWith("F"));
    await rm(join(repository, label ?? "", "bundle/1"));
    const { code, stdout } = await service.holdfast(["backup", "verify"]);
    expect(code).toBe(1);
    expect(stdout).toContain("DAMAGED");
  });
});
