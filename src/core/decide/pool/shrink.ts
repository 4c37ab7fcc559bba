import type { Grown } from "./grow.ts";
import { isSick, isWell, type Judged } from "./judge.ts";
import { replaceLimit, type Turn } from "./turn.ts";
import type { Member, PoolAction, PoolMemory } from "./types.ts";
import { countIn } from "./zones.ts";

export interface Shrunk {
  readonly actions: readonly PoolAction[];
  readonly surplusMs: number;
  readonly standbySurplusMs: number;
}

/** Takes hosts out: what failed, what was replaced, what is too many. */
export function dismiss(turn: Turn, judged: Judged, memory: PoolMemory, grown: Grown): Shrunk {
  const { settings, desired, elapsed } = turn;
  const surplus = judged.serving.length - desired;
  const surplusMs = surplus > 0 ? memory.surplusMs + elapsed : 0;
  const standbySurplusMs = grown.standbySurplus > 0 ? memory.standbySurplusMs + elapsed : 0;
  const tooMany = grown.standbySurplus > 0 && standbySurplusMs >= settings.calmMs;
  const standbys = tooMany ? superfluousStandby(judged) : [];
  return {
    actions: [
      ...judged.failed.map(({ id, outdated }) =>
        drain(id, outdated ? "of an image that is not wanted any more" : "it did not become ready"),
      ),
      ...standbys.map(({ id }) => drain(id, "more wait than are wanted")),
      ...victims(turn, judged, grown, surplus, surplusMs),
    ],
    surplusMs,
    standbySurplusMs,
  };
}

const drain = (id: string, why: string): PoolAction => ({ kind: "drain", id, why });

function superfluousStandby({ booting, ready }: Judged): Member[] {
  return [...booting, ...mostCrowded(ready, ready)].slice(0, 1);
}

/**
 * Serving hosts to drain now. A well one only while the others are enough without it. Of a pool that is mostly
 * sick none, except to make room for one that may be well; and then as many as are wanted stay, sick or not.
 */
function victims(turn: Turn, judged: Judged, grown: Grown, surplus: number, surplusMs: number): PoolAction[] {
  const { settings, desired } = turn;
  const { serving, lost, outdated, kept, draining, ready, booting } = judged;
  const leaving = draining.filter(({ machine }) => machine !== "absent" && machine !== "failed");
  let allowed = replaceLimit(turn) - leaving.length;
  let left = surplus;
  let well = judged.well;
  const chosen: PoolAction[] = [];
  const take = (member: Member, why: string, least: number): void => {
    if (allowed <= 0 || left <= 0 || (isWell(member) && well - 1 < least)) return;
    allowed--;
    left--;
    if (isWell(member)) well--;
    chosen.push(drain(member.id, why));
  };
  if (judged.mass && !grown.crowded) return [];
  for (const member of lost) take(member, "lost, and replaced", desired);
  if (judged.mass) return chosen;
  for (const member of outdated) take(member, "of an image that is not wanted any more", desired);
  if (surplus > 0 && surplusMs >= settings.calmMs) {
    // Of whom nobody knows enough neither: it may be what clients are served by.
    const candidates = [...kept.filter(isSick), ...mostCrowded(kept.filter(isWell), serving)];
    const [first] = candidates.filter((member) => !member.protected);
    if (first !== undefined) take(first, "more serve than are wanted", desired);
  }
  // Nothing can be started before something stops: then one place at a time is made free.
  if (
    surplus <= 0 &&
    grown.full &&
    grown.wanted > 0 &&
    draining.length + ready.length + booting.length === 0
  ) {
    left = 1;
    for (const member of [...lost, ...outdated]) {
      take(member, "there is no room to replace it before", settings.min);
    }
  }
  return chosen;
}

/** Of the fullest zones first; of a zone the one that was recorded last. */
function mostCrowded(members: readonly Member[], among: readonly Member[]): Member[] {
  return members.toReversed().sort((one, other) => countIn(among, other.zone) - countIn(among, one.zone));
}
