/**
 * Which journal lines of which engine are marks. The wording is that of HAProxy 2.6, keepalived 2.2,
 * Patroni 4.1, PostgreSQL 15, etcd 3.4, Redis 7.0 and systemd 252, as their journals have it.
 */
import type { JournalLine, MarkKind } from "./engine-marks.ts";

export interface LinePattern {
  readonly test: RegExp;
  readonly kind: MarkKind;
  /** `$1`: a group of the match; `$unit`: the unit that the line is about. */
  readonly text: string;
}

const pattern = (kind: MarkKind, test: RegExp, text: string): LinePattern => ({ kind, test, text });

const keepalived: readonly LinePattern[] = [
  pattern("detect", /^Netlink reports (\S+) down/, "link $1 is down"),
  pattern("detect", /received priority 0 advertisement/i, "the other host gave the address up"),
  pattern("detect", /^Script `?([^'`]+)'? now returning [1-9]/, "check $1 fails"),
  pattern("decide", /Entering FAULT STATE/, "FAULT: cannot hold the address"),
  pattern("decide", /Master received advert .*higher priority/i, "another host has a higher priority"),
  pattern("act", /Entering MASTER STATE/, "MASTER: takes the address"),
  pattern("recovered", /Entering BACKUP STATE/, "BACKUP: stands by"),
];

const haproxy: readonly LinePattern[] = [
  pattern(
    "detect",
    /^Server (\S+) is DOWN, reason: ([^,]+)(?:, code: (\d+))?/,
    "server $1 is DOWN ($2 $3), taken out",
  ),
  pattern("detect", /^Server (\S+) is DOWN/, "server $1 is DOWN, taken out"),
  pattern("detect", /^backend (\S+) has no server available/, "backend $1 has no server left"),
  pattern("recovered", /^Server (\S+) is UP/, "server $1 is UP, in rotation"),
];

const patroni: readonly LinePattern[] = [
  pattern("detect", /^Postgresql is not running/, "PostgreSQL is not running"),
  pattern("detect", /^Request failed to (\S+):/, "$1 does not answer"),
  pattern("detect", /^Lock owner: None/, "nobody holds the leader key"),
  pattern("detect", /DCS is not accessible/i, "etcd is not accessible"),
  pattern("decide", /continue to run as a leader because failsafe mode/, "goes on as leader (failsafe mode)"),
  pattern("decide", /^Primary crashed\. Failing over/, "the primary crashed: fails over"),
  pattern("decide", /^following a different leader/, "follows another leader"),
  pattern("decide", /^Demoting self \(?([^)]*)\)?/i, "demotes itself ($1)"),
  pattern("act", /^Leader key released/, "leader key released"),
  pattern("act", /^(?:promoted self to leader|acquired session lock)/, "won the leader key: promotes itself"),
  pattern("act", /^running pg_rewind/, "pg_rewind"),
  pattern("recovered", /^Synchronous standby status assigned to \['([^']+)'/, "synchronous standby is $1"),
];

const postgres: readonly LinePattern[] = [
  pattern("detect", /^terminating connection due to unexpected postmaster exit/, "the postmaster is gone"),
  pattern("detect", /^could not receive data from WAL stream/, "the stream from the primary broke"),
  pattern("detect", /^terminating walreceiver due to timeout/, "the primary is silent"),
  pattern("detect", /^could not write to file .*No space left/, "the disk is full"),
  pattern("detect", /^received (fast|immediate) shutdown request/, "$1 shutdown"),
  pattern("act", /^received promote request/, "promotion"),
  pattern("act", /^selected new timeline ID: (\d+)/, "new timeline $1"),
  pattern("recovered", /^database system is ready to accept connections/, "primary serves"),
  pattern("recovered", /^database system is ready to accept read-only connections/, "replica serves"),
  pattern(
    "recovered",
    /^(?:re)?started (?:streaming WAL|WAL streaming) .*on timeline (\d+)/,
    "streams WAL on timeline $1",
  ),
  pattern("recovered", /^standby "([^"]+)" is now a (?:quorum )?synchronous standby/, "$1 is synchronous"),
];

const etcd: readonly LinePattern[] = [
  pattern("detect", /lost the TCP streaming connection with remote peer/, "lost a peer's connection"),
  pattern("detect", /peer became inactive/, "a peer is inactive"),
  pattern("detect", /lost leader (?:[0-9a-f]+ )?at term (\d+)/, "lost the leader of term $1"),
  pattern("detect", /(?:no leader|waiting for ReadIndex response took too long)/, "no leader answers"),
  pattern("detect", /leader failed to send out heartbeat on time/, "heartbeat late: the disk or CPU is slow"),
  pattern("decide", /is starting a new election at term (\d+)/, "starts an election after term $1"),
  pattern("act", /became leader at term (\d+)/, "leader of term $1"),
  pattern("recovered", /elected leader [0-9a-f]+ at term (\d+)/, "follows the leader of term $1"),
  pattern("recovered", /peer became active/, "a peer is back"),
];

const redis: readonly LinePattern[] = [
  pattern("detect", /^Connection with (master|replica)[^]* lost/, "connection with the $1 lost"),
  pattern("detect", /^MASTER timeout/, "the master is silent"),
  pattern("detect", /^Cluster state changed: fail/, "cluster state: fail"),
  pattern("detect", /^Start of election delayed/, "waits for its election"),
  pattern("decide", /^Marking node ([0-9a-f]{8})[0-9a-f]* .*as failing/, "quorum: node $1 has failed"),
  pattern(
    "decide",
    /^FAIL message received from [0-9a-f]+ .*about ([0-9a-f]{8})/,
    "told that node $1 has failed",
  ),
  pattern("decide", /^Starting a failover election for epoch (\d+)/, "asks for votes, epoch $1"),
  pattern("decide", /^Failover auth granted to ([0-9a-f]{8})/, "votes for $1"),
  pattern("act", /^Failover election won/, "won the election: new master"),
  pattern("recovered", /^Cluster state changed: ok/, "cluster state: ok"),
  pattern("recovered", /^Clear FAIL state for node ([0-9a-f]{8})/, "node $1 is back"),
  pattern(
    "recovered",
    /^MASTER <-> REPLICA sync: (?:Finished with success|Successful)/,
    "replica is in sync",
  ),
];

const systemd: readonly LinePattern[] = [
  pattern("detect", /Main process exited, code=(\w+), status=(\S+)/, "$unit exited ($1, $2)"),
  pattern("detect", /Watchdog timeout/, "$unit missed its watchdog"),
  pattern("decide", /Scheduled restart job, restart counter is at (\d+)/, "restarts $unit (restart $1)"),
  pattern("decide", /Start request repeated too quickly/, "gives $unit up"),
  pattern("act", /^Started /, "started $unit"),
];

const agent: readonly LinePattern[] = [
  pattern("detect", /^database: (\S+) is silent/, "$1 is silent"),
  pattern("detect", /^database: PostgreSQL on (\S+) failed/, "PostgreSQL on $1 failed: hands over"),
  pattern("decide", /^database: a majority declared (\S+) dead/, "a majority declared $1 dead"),
  pattern("decide", /^database: (\S+) is fenced/, "$1 is fenced"),
  pattern("act", /^database: gate closed on (\S+)/, "gate closed"),
  pattern("act", /^database: revoked the leader lease of (\S+)/, "revoked the leader lease of $1"),
  pattern("act", /^database: plain Patroni on (\S+)/, "plain Patroni: the gate is gone"),
  pattern("recovered", /^database: gate open on (\S+)/, "gate open"),
  pattern("recovered", /^database: (\S+) is heard again/, "$1 is heard again"),
  pattern("recovered", /^database: fast failover is on/, "fast failover is on"),
  pattern("decide", /^HAProxy does not serve/, "HAProxy does not serve: gives the address away"),
  pattern("act", /^keepalived is dead and stays dead/, "keepalived is dead: removes its address"),
  pattern("recovered", /^HAProxy serves/, "HAProxy serves: may hold the address"),
];

const patterns: Readonly<Record<string, readonly LinePattern[]>> = {
  keepalived,
  haproxy,
  patroni,
  postgres,
  etcd,
  redis,
  systemd,
  agent,
};

export const patternsOf = (engine: string): readonly LinePattern[] => patterns[engine] ?? [];

/** Programs whose lines are asked for; HAProxy's by priority, as it logs every request too. */
export const journalIdentifiers = ["Keepalived_vrrp", "patroni", "etcd", "redis-server"] as const;

/** The engine that wrote a line, and the line without the prefixes that its logger adds. */
export function engineLine({ identifier, unit, message }: JournalLine): {
  readonly engine: string;
  readonly message: string;
} {
  switch (identifier) {
    case "Keepalived_vrrp":
      return { engine: "keepalived", message };
    case "redis-server":
      // 790:M 20 Nov 2026 09:19:13.562 # Cluster state changed: ok
      return { engine: "redis", message: message.replace(/^\d+:[A-Z] .*?\d\.\d{3} [#*.-] /, "") };
    case "patroni":
      return patroniLine(message);
    case "node":
      return { engine: unit === "holdfast-agent.service" ? "agent" : "app", message };
    default:
      return { engine: identifier, message };
  }
}

/** Patroni's unit carries PostgreSQL's log too: "[743] user@database LOG:  received promote request". */
function patroniLine(message: string): { engine: string; message: string } {
  const sql = /^\[\d+\] (?:\S+@\S+ )?(?:LOG|FATAL|PANIC|ERROR|WARNING):\s+(.*)$/s.exec(message);
  if (sql !== null) return { engine: "postgres", message: sql[1] ?? "" };
  // Also with the time before the level, as without a journal's formatter.
  return {
    engine: "patroni",
    message: message.replace(/^(?:[\d-]+ [\d:,]+ )?(?:INFO|WARNING|ERROR|CRITICAL): /, ""),
  };
}
