import { describe, expect, it } from "vitest";
import { blueprint } from "../../../test/support/render.ts";
import { HostUnreachable } from "../../lib/errors.ts";
import type { Host, RunResult } from "../../ports.ts";
import { backupDatabase } from "./database.ts";
import { findLeader, observeBackups, readRepository, requireArchive } from "./repository.ts";

const topology = blueprint();
const info = (system: number, labels: readonly string[], held = false): string =>
  JSON.stringify([
    {
      name: "privx-onprem",
      db: [{ "system-id": system }],
      backup: labels.map((label) => ({
        label,
        type: "full",
        error: false,
        timestamp: { start: 100, stop: 110 },
        info: { size: 1 },
      })),
      status: { lock: { backup: { held } } },
    },
  ]);

interface Seen {
  readonly info?: string;
  readonly archive?: string;
  readonly backup?: Partial<RunResult>;
}
function fake(name: string, seen: Seen | null): Host & { readonly ran: string[] } {
  const ran: string[] = [];
  return {
    name,
    address: "10.77.10.31",
    ran,
    run: (argv) => {
      if (seen === null) return Promise.reject(new HostUnreachable(name, "it is off"));
      const line = argv.join(" ");
      ran.push(line);
      const answer = line.endsWith(" info")
        ? seen.info === undefined
          ? { code: 1, stderr: "ERROR: [037]: no repository\n" }
          : { stdout: seen.info }
        : line.includes("pg_ls_archive_statusdir")
          ? { stdout: seen.archive ?? "" }
          : (seen.backup ?? {});
      return Promise.resolve({ code: 0, stdout: "", stderr: "", ...answer });
    },
  };
}
const mapped = (...hosts: readonly Host[]): Map<string, Host> =>
  new Map(hosts.map((host) => [host.name, host]));

describe("the repository", () => {
  it("is read through whichever host can, and each says why it cannot", async () => {
    const off = fake("data1", null);
    const good = fake("data2", { info: info(7001, ["A"]) });
    expect(await readRepository(topology, [off, good])).toMatchObject({ by: { name: "data2" } });
    await expect(readRepository(topology, [off, fake("data2", {})])).rejects.toThrow(
      /the repository does not answer\n.*data1.*it is off\n.*data2: ERROR: \[037\]/,
    );
  });

  it("is observed while hosts are down; only the host that makes a backup knows of it", async () => {
    const one = fake("data1", { info: info(7001, ["A"]), archive: "7001 2 75\n" });
    const two = fake("data2", { info: info(7001, ["A"], true) });
    expect(await observeBackups(topology, mapped(one, two), 500)).toMatchObject({
      repository: { running: true, backups: [{ label: "A" }] },
      archive: { system: "7001", waiting: 2, waitedSeconds: 75 },
      now: 500,
    });
    expect(await observeBackups(topology, mapped(fake("data1", null), two), 500)).toMatchObject({
      archive: null,
    });
    expect(await observeBackups(topology, mapped(fake("data1", null)), 500)).toMatchObject({
      repository: null,
    });
  });

  it("is none where the topology keeps backups on the hosts' own disks", async () => {
    const local = blueprint("privx-onprem", (raw) => (raw.backup.target = { kind: "local" }));
    expect(await observeBackups(local, new Map(), 0)).toBeNull();
    expect(() => requireArchive(local)).toThrow("no place for backups");
  });
});

describe("a backup", () => {
  it("is made by the host that leads", async () => {
    const replica = fake("data1", { info: info(7001, ["A"]) });
    const leader = fake("data2", { info: info(7001, ["A", "B"]), archive: "7001 0 0\n" });
    expect((await findLeader(topology, [replica, leader]))?.host.name).toBe("data2");
    const { backup, host } = await backupDatabase(topology, mapped(replica, leader), "diff");
    expect([backup.label, host]).toEqual(["B", "data2"]);
    const own = leader.ran.filter((line) => line.startsWith("runuser -u postgres -- pgbackrest"));
    expect(own).toContain("runuser -u postgres -- pgbackrest --stanza=privx-onprem --type=diff backup");
    expect(replica.ran.some((line) => line.includes("--type"))).toBe(false);
  });

  it("is refused without a leader, and into the repository of another cluster", async () => {
    const replica = fake("data1", { info: info(7001, ["A"]) });
    await expect(backupDatabase(topology, mapped(replica), "full")).rejects.toThrow("no host leads");
    const foreign = fake("data1", { info: info(7001, ["A"]), archive: "7999 0 0\n" });
    await expect(backupDatabase(topology, mapped(foreign), "full")).rejects.toThrow("of another cluster");
    expect(foreign.ran.some((line) => line.includes("--type"))).toBe(false);
  });

  it("fails with pgBackRest's own words", async () => {
    const leader = fake("data1", {
      info: info(7001, []),
      archive: "7001 0 0\n",
      backup: { code: 50, stderr: "ERROR: [050]: unable to acquire lock on file\n" },
    });
    await expect(backupDatabase(topology, mapped(leader), "full")).rejects.toThrow(
      "[050]: unable to acquire lock",
    );
  });
});
