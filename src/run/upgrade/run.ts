/** An upgrade performed from wherever its record says it is: forward, or back when a gate fails. */
import { type Action, describeAction } from "../../core/upgrade/actions.ts";
import {
  actionsOf,
  advance,
  canTurnBack,
  currentAction,
  type Learned,
  turnBack,
  type UpgradeRecord,
} from "../../core/upgrade/record.ts";
import { ExitStatus, HoldfastError, HostUnreachable } from "../../lib/errors.ts";
import type { Reporter } from "../../ports.ts";

/** Keeps what was learned at once: the process may end at any moment. */
export type Learn = (learned: Learned) => Promise<void>;

export interface UpgradeContext {
  /** Does one action; may be cut anywhere, and is then called again with the same. @returns a remark for people */
  readonly perform: (action: Action, record: UpgradeRecord, learn: Learn) => Promise<string | undefined>;
  readonly save: (record: UpgradeRecord) => Promise<void>;
  readonly reporter: Reporter;
  /** Checked between actions: Ctrl-C stops at a safe point. */
  readonly signal: AbortSignal;
}

/**
 * Performs what is left. An action that fails turns the upgrade back, if it can be; a host that cannot be
 * reached says nothing about the release, so it stops where it is.
 * @returns the record when all is done, in the direction that it ended in
 * @throws HoldfastError when it stopped: the record says where, and it goes on from there
 */
export async function runUpgrade(begun: UpgradeRecord, context: UpgradeContext): Promise<UpgradeRecord> {
  let record = begun;
  const keep = async (changed: UpgradeRecord): Promise<void> => {
    await context.save(changed);
    record = changed;
  };
  await keep(begun);
  for (;;) {
    const action = currentAction(record);
    if (action === undefined) return record;
    if (context.signal.aborted) throw stopped(record, "interrupted", ExitStatus.aborted);
    const task = context.reporter.task(
      `${record.position + 1}/${actionsOf(record).length} ${describeAction(action)}`,
    );
    try {
      const remark = await context.perform(action, record, (learned) => keep({ ...record, ...learned }));
      await keep(advance(record));
      task.done(remark);
    } catch (error) {
      task.fail((error as Error).message);
      if (!(error instanceof HoldfastError)) throw error;
      if (context.signal.aborted) throw stopped(record, error.message, ExitStatus.aborted, error);
      if (isUnreachable(error) || !canTurnBack(record)) {
        throw stopped(record, error.message, error.exitStatus, error);
      }
      await keep(turnBack(record, `${describeAction(action)}: ${error.message}`));
      context.reporter.warn(`back to ${record.from.version}: ${error.message}`);
    }
  }
}

function isUnreachable(error: unknown): boolean {
  if (error instanceof HostUnreachable) return true;
  return error instanceof Error && error.cause !== undefined && isUnreachable(error.cause);
}

function stopped(record: UpgradeRecord, why: string, exitStatus: ExitStatus, cause?: unknown): HoldfastError {
  const { direction, from, to } = record;
  const action = currentAction(record);
  const what = direction === "forward" ? `the upgrade to ${to.version}` : `going back to ${from.version}`;
  const at = action === undefined ? "" : ` at "${describeAction(action)}"`;
  const back = canTurnBack(record) ? ", or take it back with `holdfast upgrade --rollback`" : "";
  return new HoldfastError(`${what} stopped${at}: ${why}`, {
    fix: `correct that, then go on with \`holdfast upgrade --resume\`${back}`,
    exitStatus,
    ...(cause === undefined ? {} : { cause }),
  });
}
