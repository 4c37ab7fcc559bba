import { describe, expect, it } from "vitest";
import { blueprint } from "../../../test/support/render.ts";
import { judgeService } from "./judge.ts";
import type { ServiceStatus } from "./observe.ts";

const topology = blueprint();
const at = <T>(host: string, seen: T) => ({ host, reachable: true as const, ...seen });
const lost = (host: string) => ({ host, reachable: false as const, why: "it is off" });
type Seen<K extends keyof ServiceStatus> = Extract<ServiceStatus[K][number], { reachable: true }>;

const server = (name: string, status: string) => ({
  backend: "app",
  server: name,
  status,
  check: "L7OK 200",
  since: 9,
  sessions: 1,
});
const entry = (host: string, edit: Partial<Seen<"entry">> = {}): Seen<"entry"> =>
  at(host, {
    holds: host === "lb1",
    keepalived: host === "lb1" ? ("master" as const) : ("backup" as const),
    units: { proxy: "active", keepalived: "active", agent: "active" },
    servers: [
      server("app1", "UP"),
      server("app2", "UP"),
      { ...server("app1", "no check"), backend: "app_last_resort" },
    ],
    versions: {},
    ...edit,
  });
const app = (host: string, edit: Partial<Seen<"app">> = {}): Seen<"app"> =>
  at(host, {
    units: { app: "active", nginx: "active", haproxy: "active" },
    version: "1.0.0",
    health: "200",
    healthy: true,
    database: [],
    versions: {},
    ...edit,
  });
const member = (name: string, role: string, state: string, timeline = 1) => ({
  name,
  role,
  state,
  timeline,
  lag: role === "leader" ? null : 0,
  pendingRestart: false,
});
const database = (
  host: string,
  members = [member("data1", "leader", "running"), member("data2", "sync_standby", "streaming")],
  failover: Seen<"database">["failover"] = {
    mode: "armed",
    open: true,
    postgres: "primary",
    heard: ["data1", "data2", "data3"],
    dead: [],
  },
): Seen<"database"> =>
  at(host, {
    unit: "active",
    versions: { patroni: "4.1.5", postgres: "15.6" },
    cluster: { paused: false, members },
    failover,
  });
const etcd = (host: string, edit: Partial<Seen<"coordination">> = {}): Seen<"coordination"> =>
  at(host, {
    unit: "active",
    healthy: true,
    member: { id: host, version: "3.4.23", databaseSize: "20 kB", leader: host === "data3", term: 2 },
    ...edit,
  });
const redis = (
  host: string,
  roles: readonly ("master" | "replica")[] = ["master", "replica"],
): Seen<"cache"> =>
  at(host, {
    processes: roles.map((role, index) => ({
      port: 6379 + index,
      unit: "active",
      info: { version: "7.0.15", role, master: null, linked: true },
      cluster: { state: "ok", slotsServed: 16_384, knownNodes: 6 },
    })),
  });
const storage = (host: string, edit: Partial<Seen<"storage">> = {}): Seen<"storage"> =>
  at(host, { mount: "/var/privx/audit", unit: "active", mounted: true, writable: true, free: 1e9, ...edit });

const healthy: ServiceStatus = {
  entry: [entry("lb1"), entry("lb2")],
  app: [app("app1"), app("app2")],
  storage: [storage("app1"), storage("app2")],
  database: [database("data1"), database("data2")],
  coordination: ["data1", "data2", "data3"].map((host) => etcd(host)),
  cache: ["data1", "data2", "data3"].map((host) => redis(host)),
};
const judge = (edit: Partial<ServiceStatus>) => judgeService({ ...healthy, ...edit }, topology);
const tier = (edit: Partial<ServiceStatus>, name: string) =>
  judge(edit).tiers.find((each) => each.tier === name);

describe("judgeService", () => {
  it("is up, without a risk, when everything is redundant", () => {
    const { verdict, tiers } = judge({});
    expect(verdict).toBe("up");
    expect(tiers.flatMap(({ risks }) => risks)).toEqual([]);
    expect(tiers.map(({ summary }) => summary)).toEqual([
      "lb1 holds 10.77.10.10; lb2 stands by",
      "2 of 2 in the pool, 2 healthy; version 1.0.0",
      "primary data1 (timeline 1); data2 synchronous streaming, 0 B behind",
      "3 of 3 members, leader data3",
      "3 masters, 3 replicas, cluster ok",
      "/var/privx/audit on 2 of 2 app hosts",
    ]);
  });

  it("is degraded, not down, when one host of any tier is lost", () => {
    expect(judge({ entry: [entry("lb1"), lost("lb2")] }).verdict).toBe("degraded");
    expect(judge({ app: [app("app1"), lost("app2")] }).verdict).toBe("degraded");
    expect(judge({ coordination: [etcd("data1"), etcd("data2"), lost("data3")] }).verdict).toBe("degraded");
    expect(tier({ entry: [entry("lb1"), lost("lb2")] }, "entry")?.risks).toContain(
      "nobody stands by to take 10.77.10.10",
    );
  });

  it("says that acknowledged writes are on one host only while the replica is away", () => {
    const alone = [member("data1", "leader", "running"), member("data2", "replica", "starting")];
    const { verdict, risks } =
      tier({ database: [database("data1", alone), lost("data2")] }, "database") ?? {};
    expect(verdict).toBe("degraded");
    expect(risks).toContain(
      "data at risk now: acknowledged writes are on one host only, losing it loses them",
    );
    expect(risks).toContain("no replica can take over");
  });

  it("says when agents do not make failover fast, or let nobody in", () => {
    const risksWith = (failover: Seen<"database">["failover"]): readonly string[] =>
      tier({ database: [database("data1", undefined, failover), database("data2")] }, "database")?.risks ??
      [];
    const armed = {
      mode: "armed",
      open: true,
      postgres: "primary",
      heard: ["data1", "data2", "data3"],
      dead: [],
    } as const;
    expect(risksWith({ ...armed, heard: [...armed.heard], dead: [] })).toEqual([]);
    expect(risksWith(null)).toEqual(["the agent on data1 does not answer: a failover from it is slower"]);
    expect(risksWith({ ...armed, mode: "plain", heard: ["data1"], dead: [] })).toEqual([
      "data1 fails over at Patroni's own speed: no agents' majority",
      "the agent on data1 does not hear data2, data3",
    ]);
    expect(risksWith({ ...armed, open: false, heard: [...armed.heard], dead: [] })).toEqual([
      "data1 lets no client of PostgreSQL in: it has no lease",
    ]);
  });

  it("is down without an address, without a pool, without a primary", () => {
    const nobody = [entry("lb1", { holds: false, keepalived: "fault" }), entry("lb2")];
    expect(judge({ entry: nobody }).verdict).toBe("down");
    const empty = entry("lb1", { servers: [server("app1", "DOWN"), server("app2", "DOWN")] });
    expect(judge({ entry: [empty, entry("lb2")] }).verdict).toBe("down");
    const headless = [member("data2", "replica", "running")];
    expect(judge({ database: [database("data2", headless), lost("data1")] }).verdict).toBe("down");
  });

  it("believes the host that knows the newest leader", () => {
    const old = [member("data1", "leader", "running", 1), member("data2", "replica", "streaming", 1)];
    const fresh = [member("data1", "replica", "stopped", 1), member("data2", "leader", "running", 2)];
    expect(
      tier({ database: [database("data1", old), database("data2", fresh)] }, "database")?.summary,
    ).toMatch(/^primary data2 \(timeline 2\)/);
  });

  it("goes on without Redis and without a quorum, but says so", () => {
    const cache = ["data1", "data2", "data3"].map(lost);
    expect(judge({ cache }).verdict).toBe("degraded");
    const coordination = [etcd("data1", { healthy: false }), lost("data2"), lost("data3")];
    expect(judge({ coordination }).verdict).toBe("degraded");
    expect(tier({ coordination }, "coordination")?.risks).toContain(
      "no quorum: no failover of the database is possible",
    );
  });

  it("sees both an address on two hosts and a cluster that serves half of its slots", () => {
    expect(
      tier({ entry: [entry("lb1"), entry("lb2", { holds: true, keepalived: "master" })] }, "entry")?.risks,
    ).toContain("10.77.10.10 is on lb1, lb2 at once");
    const half = {
      processes: [
        {
          port: 6379,
          unit: "active",
          info: { version: "7", role: "master" as const, master: null, linked: true },
          cluster: { state: "ok", slotsServed: 8192, knownNodes: 6 },
        },
      ],
    };
    expect(tier({ cache: [at("data1", half)] }, "cache")?.verdict).toBe("down");
  });
});
