import { isSick } from "./judge.ts";
import type { Turn } from "./turn.ts";
import type { Member, Observation, PoolAction } from "./types.ts";

/** What roles ask of the machines: standbys get theirs, drained members lose it, then their record. */
export function finish(turn: Turn): PoolAction[] {
  const { members } = turn.observed;
  return members.flatMap((member): PoolAction[] => {
    const { id, role, machine } = member;
    if (role === "standby") return machine === "absent" ? [{ kind: "make", id }] : [];
    if (role === "serving" || machine === "removing") return [];
    // The last record goes only when there is another: that there are none at all means that they were lost.
    if (machine === "absent") return members.length > 1 ? [{ kind: "forget", id }] : [];
    return isDrained(turn, member) ? [{ kind: "remove", id, cut: member.sessions ?? 0 }] : [];
  });
}

/** Nobody is served by it any more, or nobody can be, or there was time enough. */
function isDrained({ settings, watches }: Turn, member: Member): boolean {
  const drainingMs = watches.get(member.id)?.drainingMs ?? 0;
  return (
    member.machine !== "running" || member.sessions === 0 || isSick(member) || drainingMs >= settings.drainMs
  );
}

/** How long each machine without a record has been seen. */
export function watchOrphans(
  before: ReadonlyMap<string, number>,
  { orphans }: Observation,
  elapsed: number,
): Map<string, number> {
  return new Map(
    orphans.map((id): [string, number] => {
      const last = before.get(id);
      return [id, last === undefined ? 0 : last + elapsed];
    }),
  );
}

/**
 * Machines that a lost controller made too late. Without any member it is the records that are missing, and the
 * machines must stay.
 */
export function removeOrphans(
  { settings, observed }: Turn,
  orphans: ReadonlyMap<string, number>,
): PoolAction[] {
  if (observed.members.length === 0) return [];
  const old = [...orphans].filter(([, ms]) => ms >= settings.orphanMs);
  return old.map(([id]): PoolAction => ({ kind: "remove", id, cut: 0 }));
}
