/**
 * Whether an entry host may hold the virtual address. keepalived decides who holds it; this feeds it
 * the one fact it cannot see (does HAProxy serve here?) and clears up after a keepalived that died.
 *
 * Everything is a level: each step compares what should be with what was seen, so a lost or repeated
 * step changes nothing in the end.
 */

export interface HealthSettings {
  /** Unanswered probes in a row that make a fault, and answered ones that end it. */
  readonly fall: number;
  readonly rise: number;
  /** Milliseconds that a proxy which systemd starts again may take until it listens. */
  readonly startMs: number;
  /** Milliseconds without a keepalived process after which its address is stale. */
  readonly deadAfterMs: number;
}

export interface HealthObservation {
  /**
   * `gone`: nobody listens and systemd does not start it: certain, and a fault at once. `starting`: it
   * crashed and is started again, while systemd holds the clients' connections. `failed`: no good answer in
   * time. `unknown`: the prober itself was late, so nothing was learned.
   */
  readonly proxy: "serving" | "gone" | "starting" | "failed" | "unknown";
  /** What the health file says now; `other` is missing or unreadable content. */
  readonly healthFile: "healthy" | "fault" | "other";
  readonly keepalived: "alive" | "dead";
  readonly addressHeld: boolean;
}

export interface HealthState {
  readonly verdict: "healthy" | "fault";
  /** Conclusive probes in a row that speak against the verdict. */
  readonly against: number;
  /** Since when it is starting, in ms of the caller's clock; null when it is not. */
  readonly startingSince: number | null;
  /** When keepalived was first seen dead, in ms of the caller's clock; null while it is alive. */
  readonly keepalivedDeadSince: number | null;
}

export type HealthAction =
  | { readonly kind: "write-health-file"; readonly verdict: "healthy" | "fault" }
  | { readonly kind: "remove-address" };

/**
 * One turn of the loop. `state` is null at the start, when the file tells the verdict so far: a
 * restarted agent goes on where its predecessor stopped.
 * @param now milliseconds of a clock that never goes back
 */
export function stepHealth(
  settings: HealthSettings,
  state: HealthState | null,
  observed: HealthObservation,
  now: number,
): { readonly state: HealthState; readonly actions: readonly HealthAction[] } {
  const judged = judge(settings, state ?? initialState(observed), observed, now);
  const deadSince = observed.keepalived === "alive" ? null : (state?.keepalivedDeadSince ?? now);
  const actions: HealthAction[] = [];
  if (observed.healthFile !== judged.verdict) {
    actions.push({ kind: "write-health-file", verdict: judged.verdict });
  }
  if (observed.addressHeld && deadSince !== null && now - deadSince >= settings.deadAfterMs) {
    actions.push({ kind: "remove-address" });
  }
  return { state: { ...judged, keepalivedDeadSince: deadSince }, actions };
}

function initialState(observed: HealthObservation): HealthState {
  const verdict = observed.healthFile === "fault" ? "fault" : "healthy";
  return { verdict, against: 0, startingSince: null, keepalivedDeadSince: null };
}

type Judged = Pick<HealthState, "verdict" | "against" | "startingSince">;

function judge(
  settings: HealthSettings,
  state: HealthState,
  { proxy }: HealthObservation,
  now: number,
): Judged {
  const { verdict, against } = state;
  if (proxy === "unknown") return state;
  const startingSince = proxy === "starting" ? (state.startingSince ?? now) : null;
  const serving = proxy === "serving";
  if (serving === (verdict === "healthy")) return { verdict, against: 0, startingSince };
  if (startingSince !== null && now - startingSince < settings.startMs)
    return { verdict, against, startingSince };
  const certain = proxy === "gone" || proxy === "starting";
  const needed = verdict === "fault" ? settings.rise : certain ? 1 : settings.fall;
  if (against + 1 < needed) return { verdict, against: against + 1, startingSince };
  return { verdict: serving ? "healthy" : "fault", against: 0, startingSince };
}
