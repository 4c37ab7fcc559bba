/**
 * The words of the PostgreSQL failover accelerator: one state machine per database-tier host (data
 * hosts and witness). `step` is pure; whoever runs it performs the actions and reports their results as
 * events. Times are milliseconds of that host's own monotonic clock (CLOCK_BOOTTIME where a machine may
 * be suspended) and mean nothing on another host. See docs/database-failover.md.
 */

export interface LeaseSettings {
  readonly self: string;
  /** Every voter: data hosts and witness, at least three. A majority is always one of all of these. */
  readonly members: readonly string[];
  /** The members that run PostgreSQL and have a gate. */
  readonly dataHosts: readonly string[];
  readonly heartbeatMs: number;
  /** How long an acknowledged heartbeat lets its host serve, from when it was sent. */
  readonly leaseMs: number;
  /** Silence before a host is called dead. Longer than the lease, by more than two clocks may differ. */
  readonly grantMs: number;
  /** How long a yes to "is it dead?" forbids to acknowledge that host. */
  readonly promiseMs: number;
  /** Between two reads of etcd when nothing presses. */
  readonly readMs: number;
  /** A request to etcd or the kernel that was not answered for this long is taken to be lost. */
  readonly requestMs: number;
  /** Patroni's `ttl`. */
  readonly ttlMs: number;
  /** What is not used of the leader key's remaining life: for clocks and etcd's own change of leader. */
  readonly marginMs: number;
  /** How long Patroni's word that its failsafe holds is good for: `ttl` less its slowest loop. */
  readonly failsafeMs: number;
  /** Probes in a row without an answer that make a PostgreSQL hung. */
  readonly hungAfter: number;
  /** A leader that can be heard and whose gate stays closed this long is handed over. */
  readonly stuckMs: number;
  /** Without a majority of agents for this long, a host goes back to plain Patroni, if etcd agrees. */
  readonly releaseMs: number;
  /** How long an agent that stops in order waits for the others before it ends all the same. */
  readonly leaveMs: number;
}

/**
 * What a host says of its own gate. `failed`: closed, and its PostgreSQL is gone or hangs, or was stopped for a
 * switchover: hand over now.
 * `leaving`: plain Patroni, and soon no agent. A witness, which has no gate, says `closed`.
 */
export type GateReport = "unarmed" | "open" | "closed" | "failed" | "leaving";

/** Sent as authenticated datagrams; `from` is what the authentication says, not what the sender claims. */
export type Message =
  | {
      readonly kind: "heartbeat";
      readonly from: string;
      /** Of the agent's process: a new one at each start. */
      readonly incarnation: string;
      readonly sequence: number;
      readonly gate: GateReport;
      /** Of the sender's gate record in etcd when it sent this; null while it does not know. */
      readonly revision: string | null;
    }
  | {
      readonly kind: "ack";
      readonly from: string;
      readonly incarnation: string;
      readonly sequence: number;
      /** `refused`: a promise forbids it. `dead`: a majority did: close, whatever your clock says. */
      readonly verdict: "granted" | "refused" | "dead";
    }
  | {
      readonly kind: "question";
      readonly from: string;
      readonly about: string;
      readonly incarnation: string;
      readonly round: number;
    }
  | {
      readonly kind: "answer";
      readonly from: string;
      readonly about: string;
      readonly incarnation: string;
      readonly round: number;
      readonly yes: boolean;
    };

/**
 * A host's gate record in etcd, `/holdfast-gate/<topology>/<host>`, attached to no lease. Written only by
 * compare-and-set, so that "open again" and "fence" of one host happen in one order for everybody.
 */
export interface GateRecord {
  /** `unarmed`: plain Patroni there, nobody may fence it. `fenced`: never open again under this lease. */
  readonly state: "open" | "fenced" | "unarmed";
  /** Patroni's etcd lease (decimal id) that the record speaks of; null in a record of a replica. */
  readonly lease: string | null;
}

/** One linearizable read: the leader key, the switchover that was asked for and all gate records in one transaction. */
export interface EtcdView {
  readonly leader: {
    readonly host: string;
    /** The etcd lease that the key is attached to, decimal. */
    readonly lease: string;
    /** What is left of it, ms, rounded down; asked after the key was read. */
    readonly ttlMs: number;
  } | null;
  /** The host that Patroni was asked to switch over from, now: its failover key. */
  readonly switchover: string | null;
  readonly records: Readonly<
    Record<string, GateRecord & { /** mod_revision, decimal */ readonly revision: string }>
  >;
}

/**
 * `primary`/`replica`: answered. `busy`: answered without telling its role ("too many clients").
 * `silent`: no answer before the probe's deadline. `crashed`: the postmaster is gone and its control file does
 * not say "shut down". `stopped`: not running, in order. `starting`: refuses for now.
 */
export type PostgresStatus = "primary" | "replica" | "busy" | "silent" | "crashed" | "stopped" | "starting";

export type LeaseEvent =
  /** At least every half heartbeat. */
  | { readonly kind: "tick" }
  | { readonly kind: "message"; readonly message: Message }
  /** `begunAt`: when the probe began, not when its answer came. */
  | {
      readonly kind: "postgres";
      readonly begunAt: number;
      readonly status: PostgresStatus;
      /**
       * The member that a replica's WAL receiver streams from (pg_stat_wal_receiver); null without one. A
       * replica that is being promoted has none: that is how it is told from one that stays a replica.
       */
      readonly upstream: string | null;
    }
  /** Local Patroni said, asked at `begunAt`, that it leads by its failsafe (GET /patroni). */
  | { readonly kind: "failsafe"; readonly begunAt: number }
  /** Ends a `read`; `view` null when it failed. */
  | { readonly kind: "read"; readonly id: number; readonly begunAt: number; readonly view: EtcdView | null }
  /**
   * Ends a `write-record`. `revision`: of the record now, when the write was applied; null when a
   * comparison failed or the outcome is unknown.
   */
  | { readonly kind: "written"; readonly id: number; readonly revision: string | null }
  /** Ends a `gate` action: the kernel has it. */
  | { readonly kind: "gate-done"; readonly id: number }
  /** The agent is being stopped in order: go back to plain Patroni. */
  | { readonly kind: "leave" };

export type LeaseAction =
  | { readonly kind: "send"; readonly to: string; readonly message: Message }
  /**
   * The kernel's gate, in one nft transaction, in the order given. `open`: passes until `until` (this
   * clock, never later than the lease), then closes by itself; loads the table if it is not there.
   * `closed`: drops at once; `handsOver`: and Patroni here answers no other host for a moment. `absent`: no table. `open` and `closed` also leave a marker on disk, by which a
   * booting host loads the table closed before Patroni starts; `absent` removes it first.
   */
  | { readonly kind: "gate"; readonly id: number; readonly gate: "open"; readonly until: number }
  | { readonly kind: "gate"; readonly id: number; readonly gate: "closed"; readonly handsOver: boolean }
  | { readonly kind: "gate"; readonly id: number; readonly gate: "absent" }
  | { readonly kind: "read"; readonly id: number }
  /**
   * One etcd transaction: if `host`'s record still has `revision` ("0": does not exist) and, where given, the
   * leader key is still attached to `leaderLease`, put `record`.
   */
  | {
      readonly kind: "write-record";
      readonly id: number;
      readonly host: string;
      readonly record: GateRecord;
      readonly revision: string;
      readonly leaderLease: string | null;
    }
  /** Exactly this etcd lease; not found is success. */
  | { readonly kind: "revoke"; readonly lease: string }
  /** Unreachable route to the host, its sockets killed, its packets dropped; heartbeats still pass. */
  | { readonly kind: "block" | "unblock"; readonly host: string }
  /** For the journal and the drill's marks; decides nothing. */
  | { readonly kind: "log"; readonly what: LogEntry; readonly host: string }
  /** After `leave`: everything is in order, the process may end. */
  | { readonly kind: "left" };

export type LogEntry =
  | "silent"
  | "dead"
  | "readmitted"
  | "fenced"
  | "revoked"
  | "gate-open"
  | "gate-closed"
  | "armed"
  | "unarmed"
  | "postgres-failed";

/** What one host knows of another. Null: never. */
export interface Peer {
  readonly name: string;
  readonly heardAt: number | null;
  /** Incarnation and sequence of the newest heartbeat: older ones are ignored. */
  readonly incarnation: string | null;
  readonly sequence: number;
  readonly gate: GateReport;
  readonly revision: string | null;
  /** Since when it has been saying `closed` without a break. */
  readonly closedSince: number | null;
  /** When we last granted it an acknowledgement. */
  readonly grantedAt: number | null;
  /** Until when we promised not to. */
  readonly promisedUntil: number | null;
  /** Send time of our newest heartbeat that it granted. */
  readonly ackedAt: number | null;
  /** Our running question about it. */
  readonly round: {
    readonly number: number;
    readonly askedAt: number;
    readonly yes: readonly string[];
  } | null;
  /** Send time of the question by which it was found dead; null while it is not. */
  readonly deadBy: number | null;
  /** Null: a predecessor of this process may have; undone when it is first granted something. */
  readonly blocked: boolean | null;
}

export interface GateState {
  /** Whether the table is (or may be) in the kernel. */
  readonly armed: boolean;
  /** Latest time until which the kernel may let packets through; null: surely closed. */
  readonly openUntil: number | null;
  /** The gate action that is under way. */
  readonly pending: {
    readonly id: number;
    readonly gate: "open" | "closed" | "absent";
    readonly at: number;
  } | null;
  /** When there was last no right to be open: evidence from before counts for nothing. */
  readonly fencedAt: number;
  /** Whether it may be kept open: true from a successful record until the next lapse. */
  readonly admitted: boolean;
}

export interface LeaseState {
  readonly incarnation: string;
  readonly startedAt: number;
  readonly nextId: number;
  readonly sequence: number;
  readonly sentAt: number | null;
  /** Our heartbeats that may still be acknowledged: sequence → send time. */
  readonly sent: readonly { readonly sequence: number; readonly at: number }[];
  /** Every member but this host. */
  readonly peers: readonly Peer[];
  /** Send time of the newest heartbeats that a majority, this host included, granted. */
  readonly leaseStart: number;
  readonly gate: GateState;
  readonly postgres: {
    readonly status: PostgresStatus | "unknown";
    readonly upstream: string | null;
    readonly begunAt: number;
    readonly silent: number;
  };
  /** Until when nobody else can lead while this host serves, by evidence newer than `lostAt`. */
  readonly lead: { readonly until: number; readonly at: number; readonly lostAt: number };
  /** Since when there has been no majority. */
  readonly lonelySince: number | null;
  readonly view: {
    readonly begunAt: number;
    readonly endedAt: number;
    /** When the leader was first seen to lead by its lease. */
    readonly leaderSince: number;
    readonly etcd: EtcdView;
  } | null;
  /** The newest read that was asked for. */
  readonly reading: { readonly id: number; readonly at: number; readonly running: boolean } | null;
  readonly writing: {
    readonly id: number;
    readonly at: number;
    readonly host: string;
    readonly record: GateRecord;
  } | null;
  /** Leases whose revocation was asked for, and when: asked again while etcd still shows them. */
  readonly revoked: { readonly lease: string; readonly at: number } | null;
  /** Since when this agent has been stopping. */
  readonly leavingSince: number | null;
  /** When it could have ended but for the others. */
  readonly left: boolean;
}

export interface LeaseStep {
  readonly state: LeaseState;
  readonly actions: readonly LeaseAction[];
}
