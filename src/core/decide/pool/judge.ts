import type { Member, PoolSettings, Watch } from "./types.ts";

/** Both judges say so. A checker that is sick itself, or cut off, condemns nobody alone. */
export const isSick = ({ entry, monitor }: Member): boolean => entry === "down" && monitor !== "well";

/** Both judges say so: it does, or could, serve clients. */
export const isWell = ({ machine, entry, monitor }: Member): boolean =>
  machine === "running" && entry === "up" && monitor === "well";

const isDisputed = ({ role, entry, monitor }: Member): boolean =>
  role === "serving" && ((entry === "down" && monitor === "well") || (entry === "up" && monitor === "sick"));

/** How long each member has been what it is, `elapsedMs` after `before`. */
export function watch(
  settings: PoolSettings,
  before: ReadonlyMap<string, Watch>,
  members: readonly Member[],
  elapsedMs: number,
): Map<string, Watch> {
  return new Map(
    members.map((member): [string, Watch] => [
      member.id,
      watchOne(settings, before.get(member.id), member, elapsedMs),
    ]),
  );
}

function watchOne(
  { graceMs, bootMs }: PoolSettings,
  last: Watch | undefined,
  seen: Member,
  elapsed: number,
): Watch {
  const { role, machine, entry } = seen;
  const lasted = (ms: number | undefined, is: (member: Member) => boolean): number =>
    last !== undefined && is(seen) && is(last.seen) ? (ms ?? 0) + elapsed : 0;
  // An entry that nobody could ask says nothing of the standby.
  const known = entry === "unknown" ? (last?.unreadyMs ?? 0) : lasted(last?.unreadyMs, isUnready);
  const unreadyMs = isUnready(seen) ? known : 0;
  return {
    seen,
    sickMs: Math.min(graceMs, sickTime(last, seen, elapsed)),
    unreadyMs,
    drainingMs: lasted(last?.drainingMs, (member) => member.role === "draining"),
    disputedMs: lasted(last?.disputedMs, isDisputed),
    failed: role === "standby" && (machine === "failed" || unreadyMs >= bootMs),
  };
}

const isUnready = (member: Member): boolean => member.role === "standby" && !isWell(member);

/** A leaky bucket: who is sick more often than well is replaced too, who was so once is not. */
function sickTime(last: Watch | undefined, seen: Member, elapsed: number): number {
  if (last === undefined) return 0;
  if (isSick(seen)) return last.sickMs + (isSick(last.seen) ? elapsed : 0);
  return seen.entry === "unknown" ? last.sickMs : Math.max(0, last.sickMs - elapsed);
}

/** The members by what is to become of them. */
export interface Judged {
  readonly serving: readonly Member[];
  /** Serving, sick for its grace time and still. */
  readonly lost: readonly Member[];
  /** Serving and well, of an image that is not wanted any more. */
  readonly outdated: readonly Member[];
  /** Serving and to stay. */
  readonly kept: readonly Member[];
  /** Serving, and both judges call it well. */
  readonly well: number;
  readonly ready: readonly Member[];
  /** Standbys that will not become ready, or of an image that is not wanted any more. */
  readonly failed: readonly Member[];
  /** Standbys that may still become ready. */
  readonly booting: readonly Member[];
  readonly draining: readonly Member[];
  /**
   * Most of the pool is sick at this moment, and the others are too few: then it is not the hosts' fault, or
   * more is wrong than can be mended by removing. Hosts are still added.
   */
  readonly mass: boolean;
}

export function judge(
  settings: PoolSettings,
  members: readonly Member[],
  watches: ReadonlyMap<string, Watch>,
  desired: number,
): Judged {
  const serving: Member[] = [];
  const lost: Member[] = [];
  const outdated: Member[] = [];
  const kept: Member[] = [];
  const ready: Member[] = [];
  const failed: Member[] = [];
  const booting: Member[] = [];
  const draining: Member[] = [];
  let sick = 0;
  let well = 0;
  for (const member of members) {
    const seen = watches.get(member.id);
    if (member.role === "draining") draining.push(member);
    else if (member.role === "standby") {
      (seen?.failed === true || member.outdated ? failed : isWell(member) ? ready : booting).push(member);
    } else {
      serving.push(member);
      if (isSick(member)) sick++;
      if (isWell(member)) well++;
      const isLost = isSick(member) && (seen?.sickMs ?? 0) >= settings.graceMs;
      (isLost ? lost : member.outdated && isWell(member) ? outdated : kept).push(member);
    }
  }
  const mass = sick > 1 && 2 * sick > serving.length && well < desired;
  return { serving, lost, outdated, kept, well, ready, failed, booting, draining, mass };
}
