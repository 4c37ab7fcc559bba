import { describe, expect, it } from "vitest";
import { blueprint } from "../../test/support/render.ts";
import { HostUnreachable } from "../lib/errors.ts";
import type { Host, RunResult } from "../ports.ts";
import { observeEtcd, parseEndpointStatus } from "./etcd.ts";
import { observePostgres, parseCluster, parseVersions } from "./postgres.ts";
import { observeRedis, parseClusterInfo, parseInfo } from "./redis.ts";
import { observeStorage } from "./storage.ts";

type Answers = Record<string, Partial<RunResult>>;

/** Answers a command by the first key that its argv, joined by spaces, contains; anything else fails. */
const fakeHost = (name: string, answers: Answers): Host => ({
  name,
  address: "10.77.10.31",
  run: (argv) => {
    const key = Object.keys(answers).find((part) => argv.join(" ").includes(part));
    const answer = key === undefined ? { code: 1 } : { code: 0, ...answers[key] };
    return Promise.resolve({ stdout: "", stderr: "", ...answer });
  },
});
const offHost = (name: string): Host => ({
  name,
  address: "10.77.10.31",
  run: () => Promise.reject(new HostUnreachable(name, "it is off")),
});

describe("etcd", () => {
  // etcdctl 3.4.23 endpoint status
  const line = "https://10.77.10.31:2379, d2240278df0e7faa, 3.4.23, 20 kB, true, false, 2, 9, 9, \n";

  it("reads the member's own words", () => {
    expect(parseEndpointStatus(line)).toEqual({
      id: "d2240278df0e7faa",
      version: "3.4.23",
      databaseSize: "20 kB",
      leader: true,
      term: 2,
    });
    expect(parseEndpointStatus("")).toBeNull();
  });

  it("tells a member that answers from one that is in a quorum", async () => {
    const host = fakeHost("data1", {
      "is-active": { stdout: "active\n" },
      "endpoint health": { code: 1 },
      "endpoint status": { stdout: line },
    });
    expect(await observeEtcd(host, blueprint())).toMatchObject({
      reachable: true,
      unit: "active",
      healthy: false,
      member: { leader: true },
    });
  });

  it("makes an unreachable host an answer", async () => {
    const seen = await observeEtcd(offHost("data1"), blueprint());
    expect(seen).toMatchObject({ host: "data1", reachable: false });
  });
});

describe("postgres", () => {
  // Patroni 4.1.5 GET /cluster
  const cluster = JSON.stringify({
    members: [
      {
        name: "data1",
        role: "sync_standby",
        state: "streaming",
        timeline: 4,
        lag: 16,
        pending_restart: true,
      },
      { name: "data2", role: "leader", state: "running", timeline: 4 },
      { name: "data3", role: "replica", state: "stopped", lag: "unknown" },
    ],
    scope: "privx-onprem",
    pause: true,
  });

  it("reads the cluster", () => {
    expect(parseCluster(cluster)).toEqual({
      paused: true,
      members: [
        {
          name: "data1",
          role: "sync_standby",
          state: "streaming",
          timeline: 4,
          lag: 16,
          pendingRestart: true,
        },
        { name: "data2", role: "leader", state: "running", timeline: 4, lag: null, pendingRestart: false },
        {
          name: "data3",
          role: "replica",
          state: "stopped",
          timeline: null,
          lag: null,
          pendingRestart: false,
        },
      ],
    });
  });

  it("says that it does not know when Patroni gives no sense", () => {
    expect(parseCluster("<html>")).toBeNull();
    expect(parseCluster("{}")).toBeNull();
    expect(parseVersions("")).toEqual({ patroni: null, postgres: null });
  });

  it("reads versions", () => {
    const self = '{"server_version": 150020, "patroni": {"version": "4.1.5"}}';
    expect(parseVersions(self)).toEqual({ patroni: "4.1.5", postgres: "15.20" });
  });

  it("asks the host's own Patroni, and lives without an answer", async () => {
    const host = fakeHost("data2", {
      "is-active": { code: 3, stdout: "failed\n" },
      ":8008/cluster": { stdout: cluster },
    });
    const seen = await observePostgres(host, blueprint());
    expect(seen).toMatchObject({
      reachable: true,
      unit: "failed",
      versions: { patroni: null, postgres: null },
    });
    expect(seen).toHaveProperty("cluster.paused", true);
    const none = await observePostgres(fakeHost("data2", {}), blueprint());
    expect(none).toMatchObject({ reachable: true, cluster: null });
  });
});

describe("redis", () => {
  const info =
    "# Server\r\nredis_version:7.0.15\r\n# Replication\r\nrole:slave\r\nmaster_host:10.77.10.33\r\nmaster_port:6379\r\nmaster_link_status:up\r\n";
  const clusterInfo =
    "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:10923\r\ncluster_known_nodes:6\r\n";

  it("reads a replica and a master", () => {
    expect(parseInfo(info)).toEqual({
      version: "7.0.15",
      role: "replica",
      master: "10.77.10.33:6379",
      linked: true,
    });
    expect(parseInfo("redis_version:7.0.15\r\nrole:master\r\n")).toEqual({
      version: "7.0.15",
      role: "master",
      master: null,
      linked: false,
    });
  });

  it("reads the cluster's state", () => {
    expect(parseClusterInfo(clusterInfo)).toEqual({ state: "ok", slotsServed: 10_923, knownNodes: 6 });
    expect(parseClusterInfo("ERR This instance has cluster support disabled")).toBeNull();
  });

  it("looks at every process of the host", async () => {
    const host = fakeHost("data1", {
      "is-active": { stdout: "active\n" },
      "-p 6379": { stdout: info + clusterInfo },
      "-p 6380": { stdout: "Could not connect to Redis\n" },
    });
    const seen = await observeRedis(host, blueprint());
    expect(seen).toMatchObject({
      processes: [
        { port: 6379, unit: "active", info: { role: "replica" }, cluster: { state: "ok" } },
        { port: 6380, unit: "active", info: null, cluster: null },
      ],
    });
  });
});

describe("storage", () => {
  it("reads a mount that works", async () => {
    const host = fakeHost("app1", {
      "is-active": { stdout: "active\n" },
      mountpoint: {},
      setpriv: {},
      "stat --file-system": { stdout: "1000 4096\n" },
    });
    expect(await observeStorage(host, blueprint())).toEqual({
      host: "app1",
      reachable: true,
      mount: "/var/privx/audit",
      unit: "active",
      mounted: true,
      writable: true,
      free: 4_096_000,
    });
  });

  it("reads a mount that is gone or hangs", async () => {
    const host = fakeHost("app1", { "is-active": { code: 3, stdout: "inactive\n" } });
    expect(await observeStorage(host, blueprint())).toMatchObject({
      mounted: false,
      writable: false,
      free: null,
    });
  });

  it("is null without shared storage", async () => {
    const topology = blueprint("privx-onprem", (raw) => {
      delete raw.storage;
      raw.backup.target = { kind: "local" };
    });
    expect(await observeStorage(offHost("app1"), topology)).toBeNull();
  });
});
