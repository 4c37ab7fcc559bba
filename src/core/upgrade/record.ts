/** Where an upgrade is, as it is kept on disk: enough to go on, or back, after it was cut anywhere. Pure. */
import { z } from "zod";
import type { Probe } from "./downtime.ts";
import {
  type Action,
  backActions,
  describeAction,
  forwardActions,
  rollbacks,
  strategies,
} from "./actions.ts";

const releaseAt = z.strictObject({
  version: z.string().min(1),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Absolute path of the archive on the operator's machine. */
  package: z.string().min(1),
});

export const recordSchema = z.strictObject({
  format: z.literal(1),
  strategy: z.enum(strategies),
  rollback: z.enum(rollbacks),
  /** In the order of the upgrade; the first migrates. */
  hosts: z.array(z.string()).min(1),
  from: releaseAt,
  to: releaseAt,
  direction: z.enum(["forward", "back"]),
  /** Index of the forward action that was begun last. */
  reached: z.int().min(0),
  /** Index of the action under way, in the actions of the direction. */
  position: z.int().min(0),
  /** Why it goes back; null forward. */
  why: z.string().nullable(),
  /** Milliseconds since the epoch, on the operator's clock. */
  startedAt: z.number(),
  /** When the service was stopped everywhere; null: it was not. */
  stoppedAt: z.number().nullable(),
  /** When the first host was known to serve again. */
  servedAt: z.number().nullable(),
  /** Mean response time of the pool before anything was changed, ms; null: there was no traffic. */
  responseMs: z.number().nullable(),
  /** Sessions that did not end while their host was drained, and were cut. */
  cut: z.int().min(0),
});
export type UpgradeRecord = z.output<typeof recordSchema>;
export type ReleaseAt = UpgradeRecord["from"];

/** What only doing it tells. */
export type Learned = Partial<Pick<UpgradeRecord, "stoppedAt" | "servedAt" | "cut">>;

export function beginUpgrade(
  given: Pick<UpgradeRecord, "strategy" | "rollback" | "hosts" | "from" | "to" | "startedAt" | "responseMs">,
): UpgradeRecord {
  return {
    format: 1,
    ...given,
    direction: "forward",
    reached: 0,
    position: 0,
    why: null,
    stoppedAt: null,
    servedAt: null,
    cut: 0,
  };
}

/** All actions of the direction that the upgrade goes in. */
export function actionsOf({ strategy, hosts, direction, reached, rollback }: UpgradeRecord): Action[] {
  const forward = forwardActions(strategy, hosts);
  return direction === "forward" ? forward : backActions(forward.slice(0, reached + 1), rollback);
}

/** The action under way; undefined when all is done. */
export const currentAction = (record: UpgradeRecord): Action | undefined =>
  actionsOf(record)[record.position];

/** The action under way is done. */
export function advance(record: UpgradeRecord): UpgradeRecord {
  const position = record.position + 1;
  return { ...record, position, reached: record.direction === "forward" ? position : record.reached };
}

/** Back to the release before, from wherever it is. */
export const turnBack = (record: UpgradeRecord, why: string): UpgradeRecord =>
  record.direction === "back" ? record : { ...record, direction: "back", position: 0, why };

/** From when the topology may name the new package there is nothing left to take back. */
export function canTurnBack(record: UpgradeRecord): boolean {
  if (record.rollback === "none" || record.direction === "back") return false;
  const adopt = forwardActions(record.strategy, record.hosts).findIndex(({ kind }) => kind === "adopt");
  return record.position < adopt;
}

/** What a command that was killed had seen, as probes: told rather too long than too short. */
export function knownDowntime({ stoppedAt, servedAt }: UpgradeRecord): Probe[] {
  if (stoppedAt === null) return [];
  return [
    { at: stoppedAt, served: true },
    { at: stoppedAt, served: false },
    ...(servedAt === null ? [] : [{ at: servedAt, served: true }]),
  ];
}

/** For people: "the upgrade from 1.0.0 to 2.0.0 is unfinished: 7 of 15 done, next: drain app2". */
export function progressOf(record: UpgradeRecord): string {
  const { direction, from, to, position } = record;
  const next = currentAction(record);
  const what =
    direction === "forward"
      ? `the upgrade from ${from.version} to ${to.version}`
      : `going back from ${to.version} to ${from.version}`;
  const left = next === undefined ? "" : `, next: ${describeAction(next)}`;
  return `${what} is unfinished: ${position} of ${actionsOf(record).length} done${left}`;
}

/** The release that `install` puts in place. */
export const targetOf = (record: UpgradeRecord): ReleaseAt =>
  record.direction === "forward" ? record.to : record.from;
