import { describe, expect, it } from "vitest";
import { handling, type JournalLine, marksIn } from "./engine-marks.ts";

const line = (at: number, host: string, identifier: string, message: string, unit = ""): JournalLine => ({
  at,
  host,
  identifier,
  message,
  unit,
});
const summary = (lines: readonly JournalLine[]): string[] =>
  marksIn(lines).map(({ at, host, engine, kind, text }) => `${at} ${host} ${engine} ${kind}: ${text}`);

describe("marks of the engines, in their own words", () => {
  it("a power-off: keepalived moves the address", () => {
    expect(
      summary([
        line(139, "lb2", "Keepalived_vrrp", "(entry) Entering MASTER STATE"),
        line(0, "lb1", "Keepalived_vrrp", "Netlink reports host0 down"),
        line(1, "lb1", "Keepalived_vrrp", "(entry) Entering FAULT STATE"),
        line(5000, "lb1", "Keepalived_vrrp", "(entry) Entering BACKUP STATE (init)"),
        line(5001, "lb1", "Keepalived_vrrp", "Registering gratuitous ARP shared channel"),
      ]),
    ).toEqual([
      "0 lb1 keepalived detect: link host0 is down",
      "1 lb1 keepalived decide: FAULT: cannot hold the address",
      "139 lb2 keepalived act: MASTER: takes the address",
      "5000 lb1 keepalived recovered: BACKUP: stands by",
    ]);
  });

  it("a primary that is killed: Patroni and PostgreSQL, told apart, each thing once", () => {
    const gone =
      "[808] access_manager@access_manager FATAL:  terminating connection due to unexpected postmaster exit";
    expect(
      summary([
        line(1, "data2", "patroni", gone),
        line(2, "data2", "patroni", gone.replace("808", "693")),
        line(700, "data2", "patroni", "WARNING: Postgresql is not running."),
        line(820, "data2", "patroni", "INFO: Primary crashed. Failing over."),
        line(960, "data2", "patroni", "INFO: Leader key released"),
        line(1150, "data1", "patroni", "INFO: promoted self to leader by acquiring session lock"),
        line(1151, "data1", "patroni", "[743] LOG:  received promote request"),
        line(1154, "data1", "patroni", "[743] LOG:  selected new timeline ID: 2"),
        line(1205, "data1", "patroni", "[739] LOG:  database system is ready to accept connections"),
        line(
          1257,
          "app1",
          "haproxy",
          "Server database_primary/data1 is UP, reason: Layer7 check passed, code: 200, check duration: 50ms. 2 active",
        ),
        line(3855, "data2", "patroni", "[885] LOG:  restarted WAL streaming at 0/3000000 on timeline 2"),
        line(
          5761,
          "data1",
          "patroni",
          '[2424] replicator@[unknown] LOG:  standby "data2" is now a synchronous standby with priority 1',
        ),
        line(5800, "data1", "patroni", "INFO: no action. I am (data1), the leader with the lock"),
      ]),
    ).toEqual([
      "1 data2 postgres detect: the postmaster is gone",
      "700 data2 patroni detect: PostgreSQL is not running",
      "820 data2 patroni decide: the primary crashed: fails over",
      "960 data2 patroni act: leader key released",
      "1150 data1 patroni act: won the leader key: promotes itself",
      "1151 data1 postgres act: promotion",
      "1154 data1 postgres act: new timeline 2",
      "1205 data1 postgres recovered: primary serves",
      "1257 app1 haproxy recovered: server database_primary/data1 is UP, in rotation",
      "3855 data2 postgres recovered: streams WAL on timeline 2",
      "5761 data1 postgres recovered: data2 is synchronous",
    ]);
  });

  it("a crash that systemd repairs, without what else starts at a boot", () => {
    const unit = "shop.service";
    expect(
      summary([
        line(0, "app1", "systemd", "Started cron.service - Regular background programs.", "cron.service"),
        line(26, "app1", "systemd", "shop.service: Main process exited, code=killed, status=9/KILL", unit),
        line(
          203,
          "lb2",
          "haproxy",
          'Server app/app1 is DOWN, reason: Layer7 wrong status, code: 502, info: "Bad Gateway", check duration: 3ms.',
        ),
        line(460, "app1", "systemd", "shop.service: Scheduled restart job, restart counter is at 1.", unit),
        line(528, "app1", "systemd", "Started shop.service - The shop.", unit),
        line(600, "lb1", "systemd", "Started haproxy.service - HAProxy Load Balancer.", "haproxy.service"),
      ]),
    ).toEqual([
      "26 app1 systemd detect: shop.service exited (killed, 9/KILL)",
      "203 lb2 haproxy detect: server app/app1 is DOWN (Layer7 wrong status 502), taken out",
      "460 app1 systemd decide: restarts shop.service (restart 1)",
      "528 app1 systemd act: started shop.service",
      "600 lb1 systemd act: started haproxy.service",
    ]);
  });

  it("a Redis failover and an etcd election", () => {
    const id = "9ed3a2b5c71d3d6c0e35c2d7a2b5c71d3d6c0e35";
    expect(
      summary([
        line(1, "data2", "redis-server", "728:S 20 Nov 2026 09:19:11.643 # Connection with master lost."),
        line(
          600,
          "data3",
          "redis-server",
          `526:M 20 Nov 2026 09:19:12.243 * Marking node ${id} as failing (quorum reached).`,
        ),
        line(
          700,
          "data2",
          "redis-server",
          "728:S 20 Nov 2026 09:19:12.343 # Starting a failover election for epoch 8.",
        ),
        line(
          710,
          "data2",
          "redis-server",
          "728:S 20 Nov 2026 09:19:12.353 # Failover election won: I'm the new master.",
        ),
        line(712, "data3", "redis-server", "526:M 20 Nov 2026 09:19:12.355 # Cluster state changed: ok"),
        line(
          800,
          "data3",
          "etcd",
          '{"level":"warn","caller":"rafthttp/stream.go:682","msg":"lost the TCP streaming connection with remote peer"}',
        ),
        line(
          900,
          "data3",
          "etcd",
          '{"level":"info","msg":"raft.node: abff55c8f1b4ddb5 elected leader 133e7178f1d5b15a at term 5"}',
        ),
      ]),
    ).toEqual([
      "1 data2 redis detect: connection with the master lost",
      "600 data3 redis decide: quorum: node 9ed3a2b5 has failed",
      "700 data2 redis decide: asks for votes, epoch 8",
      "710 data2 redis act: won the election: new master",
      "712 data3 redis recovered: cluster state: ok",
      "800 data3 etcd detect: lost a peer's connection",
      "900 data3 etcd recovered: follows the leader of term 5",
    ]);
  });

  it("keeps flapping visible: only what is said twice in a row is one mark", () => {
    const down = "Server app/app1 is DOWN, reason: Layer4 timeout, check duration: 5ms.";
    const up = "Server app/app1 is UP, reason: Layer7 check passed";
    expect(marksIn([down, down, up, down].map((text, at) => line(at, "lb1", "haproxy", text)))).toHaveLength(
      3,
    );
  });

  it("tells how a fault was handled by its own tier's engines, in order", () => {
    const election = "526:M 20 Nov 2026 09:19:12.243 # Failover election won: I'm the new master.";
    const marks = marksIn([
      line(1, "data1", "patroni", "WARNING: Postgresql is not running."), // before the injection
      line(12, "data2", "redis-server", election), // of another tier
      line(20, "app1", "haproxy", "Server database_primary/data1 is DOWN, reason: Layer6 timeout"),
      line(21, "app1", "haproxy", "Server database_replica/data2 is UP, reason: x"), // before anybody acted
      line(30, "data2", "patroni", "INFO: promoted self to leader by acquiring session lock"),
      line(31, "data2", "patroni", "[9] LOG:  database system is ready to accept connections"),
      line(40, "data1", "patroni", "INFO: Demoting self (immediate)"), // after it
    ]);
    const moments = (tier: string): (string | number)[][] =>
      handling(marks, 10, tier).map(({ at, kind }) => [at, kind]);
    expect(moments("database")).toEqual([
      [20, "detect"],
      [30, "act"],
      [31, "recovered"],
    ]);
    expect(moments("cache")).toEqual([[12, "act"]]);
    expect(moments("app")).toEqual([
      [20, "detect"],
      [21, "recovered"],
    ]);
    expect(moments("zone").map(([at]) => at)).toEqual([12, 21]);
    expect(handling(marks, 10, "database")[0]?.text).toBe(
      "server database_primary/data1 is DOWN (Layer6 timeout), taken out",
    );
  });
});
