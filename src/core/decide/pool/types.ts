/**
 * What the pool's controller is told, keeps and asks for. `step` in step.ts is the only thing that decides.
 * All times are milliseconds of the caller's clock; durations end in `Ms`.
 *
 * A member's role only ever goes standby → serving → draining → forgotten, or standby → draining. So whatever
 * a controller that has lost its lease still does late is harmless: it can only finish what was decided for good.
 */

export interface PoolSettings {
  /** Hosts in service: never fewer well ones by the controller's own doing, never more wanted. */
  readonly min: number;
  readonly max: number;
  /** Verified hosts that wait outside the pool. */
  readonly spares: number;
  readonly zones: readonly string[];
  /** Load per host that the count follows, in the unit of `Member.load`; null: the count changes by hand only. */
  readonly target: number | null;
  /** So far from the target the load may be before the count follows: 0.1 is a tenth. */
  readonly tolerance: number;
  /** The load must ask for more, or for fewer, for so long without a break. */
  readonly outMs: number;
  readonly inMs: number;
  /** A host that both judges call sick for so long is replaced; time in health takes it off again. */
  readonly graceMs: number;
  /** A standby that is not ready for so long has failed. */
  readonly bootMs: number;
  /** So long requests and connections have to end. */
  readonly drainMs: number;
  /** A surplus must have lasted so long: a host that comes back must not cost another its place at once. */
  readonly calmMs: number;
  /** Of the wanted hosts, at most this share is replaced at once (but always one). */
  readonly replaceShare: number;
  /** After a failed boot its zone is left alone: from `firstMs`, doubling to `maxMs`. Forgotten after `forgetMs`. */
  readonly backoff: { readonly firstMs: number; readonly maxMs: number; readonly forgetMs: number };
  /** Machines made: so many at once, one more every `refillMs`. */
  readonly makes: { readonly capacity: number; readonly refillMs: number };
  /** A machine without a member's record is removed after so long. */
  readonly orphanMs: number;
  /** What was seen longer ago is no ground to change anything. */
  readonly freshMs: number;
  /** Between two turns. Of a longer gap only three times as much counts: nobody watched meanwhile. */
  readonly turnMs: number;
}

export type MemberRole = "standby" | "serving" | "draining";

export interface Member {
  /** Never used again for another machine. */
  readonly id: string;
  readonly zone: string;
  /** As recorded. */
  readonly role: MemberRole;
  /** `failed`: it could not be made. */
  readonly machine: "absent" | "making" | "running" | "failed" | "removing";
  /** The entry's checks: up when one entry host says so, unknown when none could be asked. */
  readonly entry: "up" | "down" | "unknown";
  /** The host's own monitor. */
  readonly monitor: "well" | "sick" | "silent";
  /** null: not known. */
  readonly load: number | null;
  /** Connections that the entry still has to it; null: not known. */
  readonly sessions: number | null;
  /** Made from another image than is wanted now. */
  readonly outdated: boolean;
  /** Not to be taken to make the pool smaller. */
  readonly protected: boolean;
}

/** What is there, as levels. */
export interface Observation {
  readonly at: number;
  readonly members: readonly Member[];
  /** Machines of the pool that no record knows. */
  readonly orphans: readonly string[];
  /** The wanted count as recorded. */
  readonly desired: number;
  /** How many more machines a zone has room for. */
  readonly room: Readonly<Record<string, number>>;
}

/** Each may be performed twice, late or not at all; what is still needed is asked for again. */
export type PoolAction =
  /** Record a new standby. Its machine is made once the record is there. */
  | { readonly kind: "reserve"; readonly zone: string }
  | { readonly kind: "make"; readonly id: string }
  /** Record the standby as serving. */
  | { readonly kind: "serve"; readonly id: string }
  /** Record the member as draining: for good. */
  | { readonly kind: "drain"; readonly id: string; readonly why: string }
  /** Remove the machine; its record must say draining, or there must be none. `cut`: connections that end with it. */
  | { readonly kind: "remove"; readonly id: string; readonly cut: number }
  /** Delete the record: the machine is gone. */
  | { readonly kind: "forget"; readonly id: string }
  /** Only while the recorded count is `from`: an operator's word wins. */
  | { readonly kind: "resize"; readonly from: number; readonly to: number };

/** What one has to watch to know of a member, in ms. */
export interface Watch {
  /** As last seen: time counts only between two sights of the same. */
  readonly seen: Member;
  readonly sickMs: number;
  readonly unreadyMs: number;
  readonly drainingMs: number;
  /** The two judges contradict each other. */
  readonly disputedMs: number;
  /** A standby that will not become ready. */
  readonly failed: boolean;
}

export interface ZoneMemory {
  readonly failures: number;
  /** No machine is made here before. */
  readonly until: number;
}

export interface Tracking {
  /** The count that the windows belong to: another one begins them anew, which is the cooldown. */
  readonly desired: number;
  readonly high: { readonly since: number; readonly least: number } | null;
  readonly low: { readonly since: number; readonly most: number } | null;
}

/** Nothing in it is needed to be safe: a controller that starts anew only waits its times again. */
export interface PoolMemory {
  readonly at: number;
  readonly watches: ReadonlyMap<string, Watch>;
  readonly orphans: ReadonlyMap<string, number>;
  readonly zones: ReadonlyMap<string, ZoneMemory>;
  readonly tracking: Tracking;
  readonly surplusMs: number;
  readonly standbySurplusMs: number;
  readonly makes: { readonly tokens: number; readonly at: number };
}

export interface PoolStep {
  readonly memory: PoolMemory;
  /** To be begun before `validUntil`, or not at all. */
  readonly actions: readonly PoolAction[];
  readonly validUntil: number;
  /** What a person should know, as levels: told when it appears and when it goes. */
  readonly alarms: readonly string[];
}
