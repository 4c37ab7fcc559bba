/** Who does what at a moment, so that a drill can tell who brought the service back. */
import { observeHaproxy } from "../engines/haproxy.ts";
import { HoldfastError } from "../lib/errors.ts";
import { isService } from "../core/topology/schema.ts";
import { type Attack, type FaultContext, ofService } from "./fault.ts";
import { leaderOf, patroniMembers } from "./faults/patroni.ts";
import { showUnits } from "./faults/systemd.ts";
import { vipHolders } from "./faults/targets.ts";
import { waitFor } from "./wait.ts";

export interface Witness {
  /** Entry hosts with the virtual address, in the topology's order. */
  readonly holders: readonly string[];
  readonly primary: {
    readonly name: string;
    readonly timeline: number;
    /** A replica acknowledges what is written. */
    readonly synchronous: boolean;
  } | null;
  /** App hosts that the holder of the address sends nobody to. */
  readonly out: readonly string[];
  /** "unit on host" → systemd's id of this start of it. */
  readonly starts: ReadonlyMap<string, string>;
}

/** Hosts that cannot be asked are left out. */
export async function look(context: FaultContext, attack: Attack): Promise<Witness> {
  const [{ holders, out }, primary, starts] = await Promise.all([
    orElse(() => entryOf(context), { holders: [], out: [] }),
    orElse(() => primaryOf(context), null),
    startsOf(attack),
  ]);
  return { holders, out, primary, starts };
}

/** A promoted primary first tells of its old timeline: asks until the new one shows, or for this long. */
const PROMOTION_SHOWS_MS = 10_000;

/** As `look`, once a new primary says on which timeline it is. */
export async function lookAfter(context: FaultContext, attack: Attack, before: Witness): Promise<Witness> {
  let now = await look(context, attack);
  const half = (): boolean =>
    now.primary !== null &&
    before.primary !== null &&
    now.primary.name !== before.primary.name &&
    now.primary.timeline <= before.primary.timeline;
  await waitFor(
    async () => {
      if (!half()) return null;
      now = await look(context, attack);
      return half() ? "the new primary does not tell its timeline" : null;
    },
    { deadlineMs: PROMOTION_SHOWS_MS },
  );
  return now;
}

/** What changed hands between two moments, in the words of a report; empty when nothing did. */
export function takeovers(before: Witness, after: Witness): string[] {
  const found: string[] = [];
  const newHolders = after.holders.filter((name) => !before.holders.includes(name));
  if (newHolders.length > 0) found.push(`keepalived moved the address to ${newHolders.join(" and ")}`);
  const [old, now] = [before.primary, after.primary];
  if (old !== null && now !== null && now.timeline > old.timeline) {
    const timelines = `(timeline ${old.timeline} to ${now.timeline})`;
    found.push(
      now.name === old.name
        ? `Patroni started ${now.name} again ${timelines}`
        : `Patroni promoted ${now.name} ${timelines}`,
    );
  }
  if (old?.synchronous === true && now?.synchronous === false) {
    found.push(`${now.name} went on without a synchronous replica`);
  }
  const newlyOut = after.out.filter((name) => !before.out.includes(name));
  if (newlyOut.length > 0) found.push(`HAProxy took ${newlyOut.join(" and ")} out of the pool`);
  const restarted = [...after.starts].filter(
    ([unit, id]) => id !== "" && before.starts.has(unit) && before.starts.get(unit) !== id,
  );
  const names = restarted.map(([unit]) => unit.replace(".service on ", " on "));
  if (names.length > 2) found.push(`systemd restarted ${names.length} services, ${names[0]} among them`);
  else if (names.length > 0) found.push(`systemd restarted ${names.join(" and ")}`);
  return found;
}

async function entryOf(context: FaultContext): Promise<Pick<Witness, "holders" | "out">> {
  const holders = await vipHolders(context);
  const [holder] = holders;
  const servers = holder === undefined ? null : await observeHaproxy(holder);
  const pool = (servers ?? []).filter(({ backend }) => backend === "app");
  return {
    holders: holders.map(({ name }) => name),
    out: pool.filter(({ status }) => status !== "UP").map(({ server }) => server),
  };
}

async function primaryOf(context: FaultContext): Promise<Witness["primary"]> {
  if (!isService(context.topology)) return null;
  const members = await patroniMembers(ofService(context));
  const leader = leaderOf(members);
  if (leader === undefined) return null;
  const synchronous = members.some(({ role }) => role === "sync_standby" || role === "quorum_standby");
  return { name: leader.name, timeline: leader.timeline ?? 0, synchronous };
}

async function startsOf(attack: Attack): Promise<Map<string, string>> {
  const entries = await Promise.all(
    (attack.units ?? []).map(({ host, unit }) =>
      orElse(async () => {
        const [shown] = await showUnits(host, [unit], ["InvocationID"]);
        return [[`${unit} on ${host.name}`, shown?.["InvocationID"] ?? ""] as const];
      }, []),
    ),
  );
  return new Map(entries.flat());
}

async function orElse<T>(ask: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof HoldfastError) return otherwise;
    throw error;
  }
}
