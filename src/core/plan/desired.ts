/**
 * What each host should have, as data. Engines render it (`core/engines/<engine>/render.ts`),
 * the planner compares it with what was observed, `run/perform.ts` makes the difference true.
 *
 * Everything is a level, never an edge: a unit is restarted because the digest recorded at its last
 * start differs from the digest of the files that it reads, not because a file "has just changed".
 * So a plan that was cut anywhere converges when it is made again.
 */

/** Order between hosts: every item of a phase is done on all hosts before the next phase starts. */
export const Phase = {
  base: 10, // packages, users, directories, files that nothing runs from yet
  storage: 20, // mounts
  backup: 25, // the backups' mount, which may be a directory of the shared storage
  coordination: 30, // etcd
  data: 40, // Patroni/PostgreSQL, Redis
  dataReady: 45, // clusters formed, databases and roles created
  app: 50, // package installed, migrated
  service: 60, // app units, nginx, local database proxy
  entry: 70, // HAProxy at the entry
  address: 80, // keepalived: addresses appear last, when there is something behind them
  agent: 90,
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

export type Content =
  | { readonly kind: "text"; readonly text: string }
  /** Bytes that are not rendered: the Holdfast bundle, the app's package. Fetched by sha256 while performing. */
  | { readonly kind: "artifact"; readonly artifact: string; readonly sha256: string };

export interface DesiredUser {
  readonly name: string;
  /** Fixed numeric id, where files on shared storage must belong to the same user on every host. */
  readonly uid?: number;
  /** Supplementary groups, which must exist. */
  readonly groups?: readonly string[];
}

export interface DesiredDirectory {
  readonly path: string;
  readonly mode: number;
  readonly owner: string; // "user:group"
}

export interface DesiredFile {
  readonly path: string;
  readonly content: Content;
  readonly mode: number;
  readonly owner: string; // "user:group"
  /** True when the content holds a secret: it is never printed, diffed or logged; mode must not be world-readable. */
  readonly secret: boolean;
  /** The engine's own checker, run on the host on the new content before it replaces the old; `{file}` is its path. */
  readonly check?: readonly string[];
  /** When it is written; default: just before the first unit that reads it, or `base` when none does. */
  readonly phase?: Phase;
}

export interface DesiredUnit {
  readonly name: string;
  readonly phase: Phase;
  readonly state: "running" | "stopped" | "masked";
  /** Paths of DesiredFiles of the same host that the unit reads; a change of one means `onChange`. */
  readonly files: readonly string[];
  readonly onChange: "reload" | "restart";
  /** Files (subset of `files`) that need a restart even though others only need a reload. */
  readonly restartFiles?: readonly string[];
  /** Exit 0 once the unit serves; polled until `readyTimeoutMs` (default 60 s) after start, restart and reload. */
  readonly ready?: readonly string[];
  readonly readyTimeoutMs?: number;
  /** Units with the same key are (re)started one host at a time (quorum engines), except at their first start. */
  readonly serial?: string;
}

/** A change of a whole cluster or a package that files and units cannot express, as check and act. */
export interface DesiredTask {
  readonly id: string; // unique per host, e.g. "redis-cluster-create"
  readonly title: string; // "form the Redis cluster"
  readonly phase: Phase;
  /** Exit 0 when nothing is to be done. Must be cheap and change nothing. */
  readonly done: readonly string[];
  /** Idempotent: may be cut anywhere and run again. */
  readonly act: readonly string[];
  readonly timeoutMs?: number; // default 120 s
}

export interface DesiredHost {
  readonly host: string;
  /** Distribution packages (names of the Debian family). */
  readonly packages: readonly string[];
  readonly users: readonly DesiredUser[];
  readonly directories: readonly DesiredDirectory[];
  readonly files: readonly DesiredFile[];
  readonly units: readonly DesiredUnit[];
  readonly tasks: readonly DesiredTask[];
}
