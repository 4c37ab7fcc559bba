import { describe, expect, it } from "vitest";
import { blueprint } from "../../../test/support/render.ts";
import type { Host, RunResult } from "../../ports.ts";
import { backupApp, listAppBackups, planAppRestore, restoreApp } from "./app.ts";

type Answers = Record<string, Partial<RunResult>>;

/** Answers a command by the first key that its argv, joined by spaces, contains. */
function fakeHost(name: string, answers: Answers): Host & { readonly ran: string[] } {
  const ran: string[] = [];
  return {
    name,
    address: "10.77.10.21",
    ran,
    run: (argv) => {
      const line = argv.join(" ");
      ran.push(line);
      const key = Object.keys(answers).find((part) => line.includes(part));
      const answer = key === undefined ? { code: 127, stderr: `no answer to ${line}` } : answers[key];
      return Promise.resolve({ code: 0, stdout: "", stderr: "", ...answer });
    },
  };
}
const topology = blueprint();
const name = "app1_2026-11-20-1504";
const good: Answers = {
  [`verify ${name}`]: {},
  VERSION: { stdout: "1.0.0\n1.0.0\nactive\n" },
};

it("says where a backup is, or why there is none", async () => {
  const path = `/var/backups/access-manager/${name}`;
  expect(await backupApp(fakeHost("app1", { create: { stdout: `${path}\n` } }))).toBe(path);
  const unmounted = fakeHost("app1", {
    create: { code: 1, stderr: "app-backup: /var/backups/access-manager is not mounted\n" },
  });
  await expect(backupApp(unmounted)).rejects.toThrow("app1: cannot make a backup: app-backup: /var/backups");
});

it("asks one host where they share a place, each where they do not", async () => {
  const hosts = new Map(
    ["app1", "app2"].map((host) => [
      host,
      fakeHost(host, {
        "ls -1": { stdout: `database\n${host}_2026-11-20-1504\n${host}_2026-11-20-1505.Ab12Cd\n` },
      }),
    ]),
  );
  const names = async (of: typeof topology) => (await listAppBackups(of, hosts)).map(({ name }) => name);
  expect(await names(topology)).toEqual(["app1_2026-11-20-1504"]);
  const local = blueprint("privx-onprem", (raw) => (raw.backup.target = { kind: "local" }));
  expect(await names(local)).toEqual(["app1_2026-11-20-1504", "app2_2026-11-20-1504"]);
});

describe("a restore", () => {
  it("knows whether the app serves there now", async () => {
    expect(await planAppRestore(topology, fakeHost("app1", good), name)).toMatchObject({
      name,
      directory: `/var/backups/access-manager/${name}`,
      live: true,
    });
    const idle = fakeHost("app1", { ...good, VERSION: { stdout: "1.0.0\n1.0.0\ninactive\n" } });
    expect(await planAppRestore(topology, idle, name)).toMatchObject({ live: false });
  });

  it("refuses what is damaged, and what is of another release, having changed nothing", async () => {
    const damaged = fakeHost("app1", {
      [`verify ${name}`]: { code: 1, stdout: "VERSION: FAILED\n" },
    });
    await expect(planAppRestore(topology, damaged, name)).rejects.toThrow(
      `${name} cannot be restored: VERSION`,
    );
    expect(damaged.ran).toHaveLength(1);
    const other = fakeHost("app1", { ...good, VERSION: { stdout: "0.9.0\n1.0.0\nactive\n" } });
    await expect(planAppRestore(topology, other, name)).rejects.toThrow(
      "is of release 0.9.0; app1 runs 1.0.0",
    );
    expect(other.ran.some((line) => line.includes("scripts/restore"))).toBe(false);
  });

  it("starts the app anew, and ends only when it serves", async () => {
    let probes = 0;
    const host = fakeHost("app1", {
      "scripts/restore": { stdout: "restored 7 files of release 1.0.0\n" },
      systemctl: {},
    });
    const probed: Host = {
      ...host,
      run: (argv, options) => {
        if (argv[0] !== "probe") return host.run(argv, options);
        probes += 1;
        return Promise.resolve({ code: probes < 3 ? 1 : 0, stdout: "", stderr: "" });
      },
    };
    const plan = await planAppRestore(topology, fakeHost("app1", good), name);
    const unit = {
      name: "access-manager.target",
      phase: 60 as const,
      state: "running" as const,
      files: [],
      onChange: "restart" as const,
      ready: ["probe"],
    };
    const said = await restoreApp(topology, { ...plan, host: probed }, unit);
    expect(said).toBe("restored 7 files of release 1.0.0");
    expect(probes).toBe(3);
    expect(host.ran.findIndex((line) => line.includes("scripts/restore"))).toBeLessThan(
      host.ran.findIndex((line) => line.includes("systemctl restart")),
    );
  });
});
