/**
 * What the address controller is told, keeps and asks for. One controller per host; `step` in step.ts
 * is the only thing that changes its state. All times are milliseconds of the caller's clock, which must
 * never go back (CLOCK_MONOTONIC); durations end in `Ms`.
 */

/** Where an address can be: what EC2 says of its present place. */
export interface Holder {
  readonly instanceId: string | null;
  readonly networkInterfaceId: string | null;
  readonly privateAddress: string | null;
}

/** Where this host wants an address to be. `null` leaves the choice to EC2 (the primary interface or address). */
export interface Target {
  readonly instanceId: string;
  readonly networkInterfaceId: string | null;
  readonly privateAddress: string | null;
}

export interface AddressSettings {
  /** The allocation id, or whatever names the address to who performs the actions. */
  readonly id: string;
  readonly target: Target;
  /**
   * Whether one call can take the address from its holder (AssociateAddress, AssignPrivateIpAddresses).
   * Where it cannot (IPv6), it is always removed there first.
   */
  readonly canReassociate: boolean;
}

/** A token bucket: `capacity` at once, one more every `refillMs`. */
export interface Limit {
  readonly capacity: number;
  readonly refillMs: number;
}

export interface ControllerSettings {
  readonly addresses: readonly AddressSettings[];
  /**
   * `fast`: the VRRP master takes the address; a witness lease only breaks ties. `strict`: it must
   * hold the witness lease first.
   */
  readonly mode: "fast" | "strict";
  /** A host must have been MASTER this long: at a simultaneous boot several are for a moment. */
  readonly blipMs: number;
  /** A role seen longer ago is looked at again before anything is changed. */
  readonly roleFreshMs: number;
  /** Of the host that holds the address. */
  readonly probes: {
    /** How long one may take. */
    readonly timeoutMs: number;
    /** Pause while a holder that VRRP does not hear goes on serving. */
    readonly intervalMs: number;
    /** Silent ones in a row that make it down: at a takeover, and when it was seen serving before. */
    readonly takeoverFall: number;
    readonly fall: number;
  };
  /** Deadline of one API call: what has no answer by then has an unknown outcome. */
  readonly callMs: number;
  /** How old DescribeAddresses' answer may be when it is given: EC2 is eventually consistent. */
  readonly staleReadMs: number;
  /** Between descriptions: from `fastMs` just after a change, doubling to one of the others. */
  readonly poll: { readonly fastMs: number; readonly masterMs: number; readonly backupMs: number };
  /** After a refused or failed call: from `firstMs`, doubling to `maxMs`; `deniedMs` when only a person can help. */
  readonly backoff: { readonly firstMs: number; readonly maxMs: number; readonly deniedMs: number };
  /** A host that cannot take the address for this long while it should says that it is not fit to be master. */
  readonly unfitMs: number;
  /** Per host, of all calls; what changes something may use the last `reserve` too. */
  readonly calls: Limit & { readonly reserve: number };
  /** Per address: beyond it the address stays where it is, with an alarm. */
  readonly moves: Limit;
}

/** Roles of a VRRP instance; `unknown` also when keepalived does not run. */
export type Role = "master" | "backup" | "fault" | "unknown";

/** The witness lease as last seen: `none` when there is no witness, or it cannot be asked. */
export type Lease = "mine" | "other" | "none";

/** What a host sees of itself without the network: a level, sent on every change and on `observe`. */
export interface Observation {
  readonly role: Role;
  readonly healthy: boolean;
  readonly lease: Lease;
}

/** What a probe learned of the host that holds the address. */
export interface ProbeResult {
  /**
   * The service, asked through the address itself as a client would. `silent`: no answer in time.
   * `unknown`: nothing was learned, because this host was late itself or its own way out does not
   * work (a reference does not answer either).
   */
  readonly service: "serves" | "refused" | "silent" | "unknown";
  /**
   * The holder's agent, asked on the network that VRRP uses: its role, `reachable` when the host
   * answers but no agent does, `silent` when nothing answers.
   */
  readonly peer: Exclude<Role, "unknown"> | "reachable" | "silent";
  /** EC2's word; `unknown` when it did not come in time. `gone`: anything but pending and running. */
  readonly instance: "running" | "gone" | "unknown";
}

/** Why a call did not do what it was to do. Only `unknown` may have had, or may still have, an effect. */
export type FailureReason =
  /** The API's rate limit. */
  | "throttled"
  /** Compare-and-set lost: associated meanwhile, or the association id is no longer the present one. */
  | "conflict"
  /** Permission, parameter or configuration: stays so until a person changes it. */
  | "denied"
  /** No valid credentials now (expired, clock skew, metadata service away). */
  | "credentials"
  /** Not sent: no connection, or `startBy` had passed. */
  | "not-sent"
  /** Sent, and no answer that says what happened (timeout, reset, 5xx). */
  | "unknown";

/** `call` repeats the action's. An event for a call that is not awaited any more is ignored. */
export type ControllerEvent = (
  | ({ readonly kind: "observed" } & Observation)
  | {
      readonly kind: "described";
      readonly call: number;
      /** null: associated with nothing. */
      readonly holder: Holder | null;
      readonly associationId: string | null;
    }
  | { readonly kind: "associated"; readonly call: number; readonly associationId: string }
  | { readonly kind: "disassociated"; readonly call: number }
  | {
      readonly kind: "failed";
      readonly call: number;
      readonly reason: FailureReason;
      readonly message: string;
    }
  | ({ readonly kind: "probed"; readonly call: number } & ProbeResult)
  | { readonly kind: "tick" }
) & {
  /** Uniform in [0, 1): the source of all jitter. */
  readonly random: number;
};

interface Call {
  readonly call: number;
  /** The address's id. */
  readonly address: string;
  /** Not to be begun after this time (a host may stand still between decision and deed): then `not-sent`. */
  readonly startBy: number;
  /** Answer by then, at the latest with `unknown` (or with what a probe has learned). */
  readonly timeoutMs: number;
}

export type ControllerAction =
  /** Read role, health and lease anew and send `observed`. */
  | { readonly kind: "observe" }
  | ({ readonly kind: "describe" } & Call)
  | ({ readonly kind: "associate"; readonly target: Target; readonly allowReassociation: boolean } & Call)
  | ({ readonly kind: "disassociate"; readonly associationId: string } & Call)
  /**
   * Ask the holder; without one, only the address. May be answered early when `instance` is gone, or when
   * `peer` is a role other than master and the service has answered; otherwise after `timeoutMs` with
   * what was learned.
   * `askInstance`: EC2 too (otherwise `instance` is unknown), which is one more API call.
   */
  | ({ readonly kind: "probe"; readonly holder: Holder | null; readonly askInstance: boolean } & Call)
  /** The guide's state file: written when it changes and at the start. */
  | { readonly kind: "write-state-file"; readonly state: "MASTER" | "BACKUP" }
  /** Whether this host may be VRRP master as far as the API goes; together with health it makes the track file. */
  | { readonly kind: "set-fit"; readonly fit: boolean; readonly why: string }
  /** The address came here or a partition healed: neighbours and routes hear of it again. */
  | { readonly kind: "announce"; readonly address: string }
  /** For people, once per cause until it has passed. */
  | { readonly kind: "alarm"; readonly address: string; readonly message: string };

/** The last description that counts. */
export interface View {
  readonly holder: Holder | null;
  readonly associationId: string | null;
  /** When its call began: it says nothing of later times. */
  readonly askedAt: number;
}

export interface Bucket {
  readonly tokens: number;
  readonly at: number;
}

/**
 * Whether to take the address from its holder. `wait`: it must be asked again at once. `serving`: clients
 * are being served meanwhile, so that nothing is lost by looking twice. `yields`: it does not want it.
 */
export interface Verdict {
  readonly kind: "take" | "keep" | "wait";
  readonly serving: boolean;
  readonly yields: boolean;
  /** When its probe began. */
  readonly at: number;
}

/** What is awaited: an API call or a probe. */
export interface Awaited {
  readonly call: number;
  readonly kind: "describe" | "associate" | "disassociate" | "probe";
  readonly since: number;
}

export interface AddressState {
  readonly view: View | null;
  /** At most one change at a time; a change does not wait for a description, whose answer is then ignored. */
  readonly api: Awaited | null;
  readonly probe: Awaited | null;
  /** What the last probe of this holder says, null when it was not asked yet. */
  readonly verdict: Verdict | null;
  /** Whether the holder was seen serving since this host became master. */
  readonly sawServing: boolean;
  /** Silent probes in a row. */
  readonly silent: number;
  /**
   * When this host last associated the address; `sure` when EC2 has said so. `replaced`: the association
   * before it, null when that is not known.
   */
  readonly wrote: {
    readonly at: number;
    readonly sure: boolean;
    readonly replaced: string | null;
  } | null;
  /** Whether this host got the address since it became master: then only by compare-and-set again. */
  readonly tookThisTerm: boolean;
  /** No change before this time: EC2 refused one that only a person can make possible. */
  readonly deniedUntil: number;
  readonly pollAt: number;
  readonly pollMs: number;
  readonly moves: Bucket;
  /** The alarm that stands. */
  readonly alarm: string | null;
}

export interface ControllerState {
  readonly now: number;
  readonly observed: Observation | null;
  readonly observedAt: number;
  /** When role and health were asked for last, whatever the API's limits. */
  readonly lookedAt: number;
  /** When an `observe` without an answer was asked for. */
  readonly observeAskedAt: number | null;
  /** Since when the role is what it is. */
  readonly roleSince: number;
  /** As last written; null before the first time. */
  readonly stateFile: "MASTER" | "BACKUP" | null;
  readonly fit: boolean | null;
  /** Since when what this host needs of the API fails; null when it does not. */
  readonly failingSince: number | null;
  /** Calls in a row without success: the exponent of the backoff. */
  readonly failures: number;
  /** No call before this time. */
  readonly quietUntil: number;
  readonly calls: Bucket;
  readonly nextCall: number;
  readonly addresses: readonly AddressState[];
  /** Call `step` with a tick at this time, if nothing else happens before. */
  readonly wakeAt: number;
}

export interface Step {
  readonly state: ControllerState;
  readonly actions: readonly ControllerAction[];
}
