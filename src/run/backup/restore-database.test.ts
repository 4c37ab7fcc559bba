import { describe, expect, it } from "vitest";
import { testReporter } from "../../../test/support/lab.ts";
import { blueprint } from "../../../test/support/render.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { type ClusterStart, type Data, FakeCluster, Killed } from "../../../test/support/fake-cluster.ts";
import { planRestore, proveBackup, restoreDatabase } from "./restore-database.ts";

const topology = blueprint();
const now = 1_795_170_000; // 20 minutes after the backup
const oldest = 1_795_168_800;

async function restore(cluster: FakeCluster, at?: number) {
  const { hosts } = cluster;
  const plan = await planRestore(topology, hosts, { at }, now);
  return restoreDatabase(topology, hosts, plan, {
    stamp: "20261120T102000Z",
    reporter: testReporter(),
    clock: () => 0,
  });
}

/** A database that is in use: data1 leads, data2 follows; both of the cluster that the backups are of. */
const inUse: ClusterStart = {
  hosts: { data1: "newest", data2: "lagging" },
  running: true,
  sync: "data1",
  system: "7001",
};
/** Nobody runs; data2, which is not the first, led last. */
const stopped: ClusterStart = {
  hosts: { data1: "lagging", data2: "newest" },
  running: false,
  sync: "data2",
  system: "7001",
};
/** Every data host was destroyed, and `up` has made a new cluster. */
const madeAnew: ClusterStart = { ...inUse, system: "7999" };

const everything = ({ states }: FakeCluster): Data[] =>
  [...states.values()].flatMap(({ data, work, aside }) => [
    data,
    ...aside,
    ...(work === null || work.unfinished ? [] : [work.data as Data]),
  ]);

describe("a restore", () => {
  it.each([
    ["of a database in use", inUse],
    ["of one that is down", stopped],
    ["after everything was made anew", madeAnew],
  ])("%s ends with the backup's data everywhere, and keeps what it replaced", async (_, start) => {
    const cluster = new FakeCluster(start);
    const result = await restore(cluster);
    expect(result).toMatchObject({ backup: "20261120-100000F", host: start.sync, system: "7001" });
    expect(cluster.up()).toBe("restored");
    expect(cluster.etcd).toEqual({ system: "7001", sync: start.sync });
    expect(everything(cluster)).toContain("newest");
  });

  it("touches the database only after the copy is there and verified", async () => {
    const cluster = new FakeCluster(inUse);
    cluster.fails = (line) => line.includes("--type=none");
    await expect(restore(cluster)).rejects.toThrow("cannot copy backup 20261120-100000F: it failed");
    expect(cluster.commands.filter((line) => line.includes("systemctl"))).toEqual([]);
    expect(cluster.up()).toBe("newest");
  });

  it.each([
    ["the archive ends too early", "pg_ctl"],
    ["a host does not stop", "data2: systemctl disable"],
  ])("brings the old database back when %s", async (_, failing) => {
    const cluster = new FakeCluster(inUse);
    const isStart = (line: string): boolean => line.includes("recovery.signal");
    cluster.fails = (line) => (failing === "pg_ctl" ? isStart(line) : line.includes("systemctl disable"));
    await expect(restore(cluster)).rejects.toThrow(HoldfastError);
    expect([...cluster.states.values()].every(({ patroni }) => patroni)).toBe(true);
    expect(cluster.up()).toBe("newest");
  });

  it("refuses a time before the oldest backup, and one to come", async () => {
    await expect(restore(new FakeCluster(inUse), oldest - 1)).rejects.toThrow("the oldest backup is of");
    await expect(restore(new FakeCluster(inUse), now + 1)).rejects.toThrow("has not come yet");
  });
});

/** Kills a restore after each number of effects, until one is not killed any more. */
async function killEverywhere(start: ClusterStart, judge: (cluster: FakeCluster) => Promise<void>) {
  for (let life = 0; ; life += 1) {
    const cluster = new FakeCluster(start);
    cluster.life = life;
    const killed = await Promise.race([restore(cluster), cluster.killed]).then(
      () => false,
      (error: unknown) => {
        if (!(error instanceof Killed)) throw error;
        return true;
      },
    );
    cluster.life = Number.POSITIVE_INFINITY;
    await judge(cluster);
    if (!killed) return life;
  }
}

describe("killed at any point", () => {
  it.each([
    ["of a database in use", inUse],
    ["of one that is down", stopped],
  ])("a restore %s leaves what `up` brings back: all that was there, or the restored", async (_, start) => {
    const points = await killEverywhere(start, async (cluster) => {
      expect(["newest", "restored"]).toContain(cluster.up());
      expect(everything(cluster)).toContain("newest");
    });
    expect(points).toBeGreaterThan(10);
  });

  it.each([
    ["of a database in use", inUse],
    ["of one that is down", stopped],
    ["after everything was made anew", madeAnew],
  ])("a restore %s can be run again, whether or not `up` came between", async (_, start) => {
    for (const between of [true, false]) {
      await killEverywhere(start, async (cluster) => {
        if (between) cluster.up();
        await restore(cluster);
        expect(cluster.up()).toBe("restored");
        expect(everything(cluster)).toContain("newest");
      });
    }
  });
});

it("proves a backup beside the database, on a host that does not lead, and leaves nothing", async () => {
  const cluster = new FakeCluster(inUse);
  const options = { stamp: "20261120T102000Z", now, reporter: testReporter(), clock: () => 0 };
  const proof = await proveBackup(topology, cluster.hosts, options);
  expect(proof).toMatchObject({ backup: "20261120-100000F", host: "data2", system: "7001" });
  expect(cluster.commands.some((line) => line.includes("systemctl"))).toBe(false);
  expect(cluster.commands.at(-1)).toContain("rm -rf");
  expect(cluster.up()).toBe("newest");
});
