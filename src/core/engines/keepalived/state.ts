/** What keepalived (2.0 to 2.4) says of its VRRP instances: by notifications, and when it is asked. */

/** As keepalived names them. `STOP`: it ends. */
export type VrrpState = "MASTER" | "BACKUP" | "FAULT" | "STOP";

export interface Notification {
  readonly type: "INSTANCE" | "GROUP";
  readonly name: string;
  readonly state: VrrpState;
}

/** A line of `vrrp_notify_fifo`, as `INSTANCE "VI_1" MASTER 253`; null for anything else (`MASTER_RX_LOWER_PRI`). */
export function parseNotification(line: string): Notification | null {
  const match = /^(INSTANCE|GROUP) "([^"]*)" (MASTER|BACKUP|FAULT|STOP)(?: \d+)?\s*$/.exec(line);
  if (match === null) return null;
  const [, type = "", name = "", state = ""] = match;
  return { type: type as Notification["type"], name, state: state as VrrpState };
}

/**
 * The state of an instance in what keepalived writes to keepalived.data on SIGUSR1.
 * @returns null while that part is not written yet
 */
export function stateInDump(dump: string, instance: string): VrrpState | null {
  const start = dump.indexOf(`\n VRRP Instance = ${instance}\n`);
  if (start < 0) return null;
  // A line without its end may still grow ("FAULT" from "FAULT_INIT"), so the end is asked for.
  const match = /\n {3}State = (MASTER|BACKUP|FAULT|INIT|STOP)[^\n]*\n/.exec(dump.slice(start, start + 500));
  const state = match?.[1];
  if (state === undefined) return null;
  return state === "INIT" ? "BACKUP" : (state as VrrpState);
}

/** The first instance of a dump: for the guide's configuration, which has one. */
export const firstInstance = (dump: string): string | null =>
  /\n VRRP Instance = ([^\n]+)\n/.exec(dump)?.[1] ?? null;
