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
  /** Milliseconds without a keepalived process after which its address is stale. */
  readonly deadAfterMs: number;
}

export interface HealthObservation {
  /**
   * `refused`: nobody listens, which is certain and a fault at once. `failed`: no good answer in
   * time. `unknown`: the prober itself was late, so nothing was learned.
   */
  readonly proxy: "serving" | "refused" | "failed" | "unknown";
  /** What the health file says now; `other` is missing or unreadable content. */
  readonly healthFile: "healthy" | "fault" | "other";
  readonly keepalived: "alive" | "dead";
  readonly addressHeld: boolean;
}

export interface HealthState {
  readonly verdict: "healthy" | "fault";
  /** Conclusive probes in a row that speak against the verdict. */
  readonly against: number;
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
  const judged = judge(settings, state ?? initialState(observed), observed);
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
  return { verdict, against: 0, keepalivedDeadSince: null };
}

function judge(
  settings: HealthSettings,
  state: HealthState,
  observed: HealthObservation,
): Pick<HealthState, "verdict" | "against"> {
  const { verdict, against } = state;
  if (observed.proxy === "unknown") return { verdict, against };
  const serving = observed.proxy === "serving";
  if (serving === (verdict === "healthy")) return { verdict, against: 0 };
  const needed = verdict === "fault" ? settings.rise : observed.proxy === "refused" ? 1 : settings.fall;
  if (against + 1 < needed) return { verdict, against: against + 1 };
  return { verdict: serving ? "healthy" : "fault", against: 0 };
}
