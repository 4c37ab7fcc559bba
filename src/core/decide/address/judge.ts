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

type Known = Pick<AddressState, "sawServing" | "silent" | "tookThisTerm">;
type Judgement = Pick<AddressState, "sawServing" | "silent"> & Omit<Verdict, "at">;

/**
 * Whether a VRRP master takes the address from a holder that a probe has asked. A holder that serves
 * loses it only when it is not master itself: with both masters VRRP is split, and moving the address
 * would help nobody.
 */
export function judge(
  settings: Pick<ControllerSettings, "probes">,
  known: Known,
  lease: Lease,
  { service, peer, instance }: ProbeResult,
): Judgement {
  if (service === "serves") {
    const yields = peer === "backup" || peer === "fault";
    // A host that answers while its role cannot be asked has stepped down, most likely: VRRP uses the
    // same network. If it takes the address back it has not, and the one that serves keeps it.
    const steppedDown = lease === "mine" || (lease === "none" && !known.tookThisTerm);
    const take = yields || (peer === "reachable" && steppedDown);
    return { kind: take ? "take" : "keep", serving: true, sawServing: true, silent: 0 };
  }
  if (service === "unknown") {
    // This host does not see what clients see, so clients would not reach it either.
    return { kind: "keep", serving: false, sawServing: known.sawServing, silent: known.silent };
  }
  const silent = known.silent + 1;
  // Probes get lost. At a takeover VRRP has been silent already, so fewer will do.
  const certain = instance === "gone" || peer === "backup" || peer === "fault";
  const enough =
    certain || silent >= (known.sawServing ? settings.probes.fall : settings.probes.takeoverFall);
  return { kind: enough ? "take" : "wait", serving: false, sawServing: known.sawServing, silent };
}
