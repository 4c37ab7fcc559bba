/**
 * An upgrade as a list of actions, each of which may be cut anywhere and done again. The list follows
 * from the strategy and the hosts alone, so that a place in it says everything about what is done. Pure.
 */

export const strategies = ["rolling", "limited-downtime"] as const;
export type Strategy = (typeof strategies)[number];

/**
 * How an upgrade is taken back: by the release before alone, which runs on the new schema; by taking the
 * migration back first, while nothing runs; or not at all.
 */
export const rollbacks = ["release", "migration", "none"] as const;
export type Rollback = (typeof rollbacks)[number];

type HostAction =
  /** The package is put on the host and unpacked beside the release in use. */
  | "stage"
  /** The package is taken off again. */
  | "unstage"
  /** Out of the pool, and waited for what is under way. */
  | "drain"
  /** The package takes its migration back. */
  | "downgrade"
  /** Installed (the first host migrates), switched to, started. */
  | "install"
  /** The host's own health and version, and its health as the entry hosts reach it. */
  | "verify"
  /** Into the pool, and waited until every entry host has it up. */
  | "admit"
  /** Under live traffic: health, errors and response time against the limits. */
  | "watch"
  /** Releases before the previous one are removed. */
  | "prune";

export type Action =
  | { readonly kind: HostAction; readonly host: string }
  | { readonly kind: "stop"; readonly hosts: readonly string[] }
  /** The topology file names the new package from now on. */
  | { readonly kind: "adopt" };

const onEach = (kinds: readonly HostAction[], hosts: readonly string[]): Action[] =>
  hosts.flatMap((host) => kinds.map((kind) => ({ kind, host })));

/** What is done to take `hosts` to the new release. */
export function forwardActions(strategy: Strategy, hosts: readonly string[]): Action[] {
  const each = (...kinds: HostAction[]): Action[] => onEach(kinds, hosts);
  const change: Action[] =
    strategy === "rolling"
      ? each("drain", "install", "verify", "admit", "watch")
      : [{ kind: "stop", hosts }, ...each("install", "verify", "admit"), ...each("watch")];
  return [...each("stage"), ...change, { kind: "adopt" }, ...each("prune")];
}

/**
 * What is done to take back what was begun: `begun` are the forward actions up to the one that failed.
 * In reverse order, so that a host which still has its old release comes first.
 */
export function backActions(begun: readonly Action[], rollback: Rollback): Action[] {
  const stop = begun.find((action) => action.kind === "stop");
  const hostsOf = (kind: HostAction): string[] =>
    begun.flatMap((action) => (action.kind === kind ? [action.host] : []));
  const installed = hostsOf("install");
  if (stop !== undefined) {
    // The first host has migrated, or may have.
    const migrated = rollback === "migration" ? installed.slice(0, 1) : [];
    return [
      stop,
      ...onEach(["downgrade"], migrated),
      ...onEach(["install", "verify", "admit"], stop.hosts.toReversed()),
    ];
  }
  const onlyIn = (kind: HostAction): string[] => hostsOf(kind).filter((host) => !installed.includes(host));
  return [
    ...onEach(["admit"], onlyIn("drain")),
    ...onEach(["drain", "install", "verify", "admit"], installed.toReversed()),
    ...onEach(["unstage"], onlyIn("stage")),
  ];
}

const verbs: Readonly<Record<HostAction, string>> = {
  stage: "put the package on",
  unstage: "take the package off",
  drain: "drain",
  downgrade: "take the migration back on",
  install: "install on",
  verify: "verify",
  admit: "put back into the pool",
  watch: "watch under live traffic",
  prune: "remove old releases from",
};

/** One line for people: "drain app1". */
export function describeAction(action: Action): string {
  if (action.kind === "stop") return `stop the service on ${action.hosts.join(", ")}`;
  if (action.kind === "adopt") return "name the new package in the topology";
  return `${verbs[action.kind]} ${action.host}`;
}
