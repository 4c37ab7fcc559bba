import type {
  AddressState,
  ControllerSettings,
  Holder,
  Lease,
  ProbeResult,
  Target,
  Verdict,
} from "./types.ts";

/** Whether the holder is the place that the target describes. */
export function isAt(target: Target, holder: Holder | null | undefined): boolean {
  return (
    holder !== null &&
    holder !== undefined &&
    holder.instanceId === target.instanceId &&
    (target.networkInterfaceId === null || holder.networkInterfaceId === target.networkInterfaceId) &&
    (target.privateAddress === null || holder.privateAddress === target.privateAddress)
  );
}

type Known = Pick<AddressState, "sawServing" | "silent">;
type Judgement = Known & Omit<Verdict, "at">;

/**
 * Whether a VRRP master takes the address from a holder that a probe has asked. A holder that serves
 * loses it only when it is not master itself: with both masters VRRP is split, and moving the address
 * would help nobody.
 */
export function judge(
  settings: Pick<ControllerSettings, "probes">,
  { tookThisTerm, ...known }: Known & Pick<AddressState, "tookThisTerm">,
  lease: Lease,
  { service, peer, instance }: ProbeResult,
): Judgement {
  const steppedDown = peer === "backup" || peer === "fault";
  if (service === "serves") {
    // A host that answers while its role cannot be asked has stepped down, most likely: VRRP uses the
    // same network. If it takes the address back it has not, and the one that serves keeps it.
    const likely = lease === "mine" || (lease === "none" && !tookThisTerm);
    const yields = steppedDown || (peer === "reachable" && likely);
    return { kind: yields ? "take" : "keep", serving: true, yields, sawServing: true, silent: 0 };
  }
  if (service === "unknown") {
    // This host does not see what clients see, so clients would not reach it either.
    return { ...known, kind: "keep", serving: false, yields: false };
  }
  const silent = known.silent + 1;
  // Probes get lost. At a takeover VRRP has been silent already, so fewer will do.
  const certain = instance === "gone" || steppedDown;
  const enough =
    certain || silent >= (known.sawServing ? settings.probes.fall : settings.probes.takeoverFall);
  return { ...known, kind: enough ? "take" : "wait", serving: false, yields: certain, silent };
}
