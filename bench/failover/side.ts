/** One of the two pairs that are compared, and the faults that it is given. */
import { setTimeout as sleep } from "node:timers/promises";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { poll } from "../../src/lib/retry.ts";
import { now, type Prober } from "./prober.ts";

export interface Side {
  readonly name: string;
  readonly machines: readonly LabMachine[];
  readonly prober: Prober;
  /** Who clients are served by; undefined while nobody is, or both. */
  holder(): Promise<LabMachine | undefined>;
  /** Null, or what the pair lacks of full redundancy. */
  lacks(): Promise<string | null>;
  /** Starts what the pair's operator starts after a boot. */
  restore(machine: LabMachine): Promise<void>;
  /** Gives the address to the other host gracefully, and `after` undoes what that took. */
  handOver(holder: LabMachine): Promise<void>;
  after(machine: LabMachine): Promise<void>;
}

export interface Measured {
  readonly outageMs: number;
  readonly failed: number;
  readonly moved: boolean;
}

interface FaultSpec {
  /** @returns when what clients see begins to count, if not at the injection */
  inject(side: Side, holder: LabMachine): Promise<number | void>;
  heal(side: Side, holder: LabMachine): Promise<void>;
  /** How long it is looked at, ms; default: until clients are served again, and a second. */
  readonly watchMs?: number;
}

export async function must(machine: LabMachine, script: string): Promise<string> {
  const { code, stdout, stderr } = await machine.run(["sh", "-s"], { stdin: script, timeoutMs: 60_000 });
  if (code !== 0) throw new Error(`${machine.name}: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}

export const faults: Readonly<Record<string, FaultSpec>> = {
  "host-power-off": {
    inject: async (_side, holder) => holder.powerOff(),
    async heal(side, holder) {
      await holder.powerOn();
      await side.restore(holder);
    },
  },
  "proxy-crash": {
    inject: async (_side, holder) =>
      void (await must(holder, "systemctl kill --signal=SIGKILL nginx.service")),
    heal: async (_side, holder) => void (await must(holder, "systemctl start nginx.service")),
  },
  "proxy-dead": {
    inject: async (_side, holder) =>
      void (await must(
        holder,
        "systemctl mask --runtime --quiet nginx.service; systemctl kill --signal=SIGKILL nginx.service",
      )),
    heal: async (_side, holder) =>
      void (await must(
        holder,
        "systemctl unmask --runtime --quiet nginx.service; systemctl reset-failed; systemctl start nginx.service",
      )),
  },
  "graceful-handover": {
    inject: async (side, holder) => side.handOver(holder),
    heal: async (side, holder) => side.after(holder),
  },
  "partition-healed": {
    async inject(side, holder) {
      await holder.cutLink();
      // Until the other one serves, and as long again as VRRP of either side needs to settle.
      await side.prober.waitClean(3000, 60_000);
      const healed = now();
      await holder.restoreLink();
      return healed;
    },
    heal: async () => undefined,
    watchMs: 6000,
  },
};

const READY_MS = 180_000;

/** One fault on one pair: from full redundancy, to full redundancy. */
export async function measure(side: Side, fault: string): Promise<Measured> {
  const spec = faults[fault];
  if (spec === undefined) throw new Error(`there is no fault ${fault}`);
  await ready(side);
  side.prober.forget();
  const holder = await side.holder();
  if (holder === undefined) throw new Error(`${side.name}: nobody holds the address`);
  let from = now();
  try {
    from = (await spec.inject(side, holder)) ?? from;
    if (spec.watchMs !== undefined) await sleep(spec.watchMs);
    await side.prober.waitClean(1000, 120_000);
    const to = now() - 1000; // every request until then is settled
    const { longestMs, failed } = side.prober.outage(from, to);
    const after = await side.holder();
    return { outageMs: longestMs, failed, moved: after?.name !== holder.name };
  } finally {
    await spec.heal(side, holder);
  }
}

/** Waits until the pair is whole and clients are served. @throws Error when that takes too long */
export async function ready(side: Side): Promise<void> {
  let lacks: string | null = null;
  await poll(
    async () => {
      lacks = await side.lacks();
      return lacks === null;
    },
    { deadlineMs: READY_MS, intervalMs: 200, what: `${side.name} to be whole` },
  ).catch((error: Error) => {
    throw new Error(`${error.message}: ${lacks}`);
  });
  await side.prober.waitClean(1500, 60_000);
}
