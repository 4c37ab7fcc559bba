/** VRRP cut between two healthy hosts, and healed: does the address stay, and does it all end well? */
import { setTimeout as sleep } from "node:timers/promises";
import type { CallRecord } from "../../src/hosts/lab/ec2/calls.ts";
import { now } from "./prober.ts";
import { median } from "./table.ts";
import { must, ready, type Side } from "./side.ts";

const CUT = `nft -f - <<'END'
table inet bench_split {
  chain input { type filter hook input priority -300; policy accept; ip protocol 112 drop; }
  chain output { type filter hook output priority -300; policy accept; ip protocol 112 drop; }
}
END`;
const HEAL = "nft delete table inet bench_split";
const CONVERGE_MS = 60_000;
/** More than this needs an explanation. */
const SLOW_MS = 2000;

export interface Split {
  /** Changes of the address's place by EC2, from the cut until the end. */
  readonly moves: number;
  readonly outageMs: number;
  /** From the heal until one host is master and has the address, for good; Infinity: not within a minute. */
  readonly convergedMs: number;
}

export async function splitBrain(
  side: Side & { readonly masters: () => Promise<number> },
  seconds: number,
  calls: () => Promise<readonly CallRecord[]>,
): Promise<Split> {
  await ready(side);
  side.prober.forget();
  const moved = async (): Promise<number> =>
    (await calls()).filter(({ action, changed }) => action === "AssociateAddress" && changed).length;
  const before = await moved();
  const from = now();
  for (const machine of side.machines) await must(machine, CUT);
  await sleep(seconds * 1000);
  const healed = now();
  await Promise.all(side.machines.map(async (machine) => must(machine, HEAL)));
  let convergedMs = Infinity;
  while (now() - healed < CONVERGE_MS) {
    const whole = (await side.masters()) === 1 && (await side.lacks()) === null;
    if (!whole) convergedMs = Infinity;
    else if (convergedMs === Infinity) convergedMs = now() - healed;
    // Five seconds without a change of mind.
    else if (now() - healed - convergedMs > 5000) break;
    await sleep(50);
  }
  if (convergedMs > SLOW_MS) await showJournals(side, (now() - healed) / 1000 + 5);
  const { longestMs } = side.prober.outage(from, now() - 1000);
  return { moves: (await moved()) - before, outageMs: longestMs, convergedMs };
}

async function showJournals({ machines }: Side, seconds: number): Promise<void> {
  for (const machine of machines) {
    const journal = await must(machine, `journalctl --output=short-precise --since=-${Math.ceil(seconds)}s`);
    console.error(`${machine.name}:\n${journal}`);
  }
}

const range = (values: readonly number[]): string =>
  [Math.min(...values), median(values), Math.max(...values)]
    .map((value) => (Number.isFinite(value) ? String(Math.round(value)) : "never"))
    .join(" / ");

export function printSplits(seconds: number, results: ReadonlyMap<string, readonly Split[]>): void {
  console.log(`Split brain for ${seconds} s, then healed`);
  console.log(
    "| side | runs | moves min/median/max | longest time unserved, ms | converged after heal, ms |",
  );
  console.log("| --- | --- | --- | --- | --- |");
  for (const [side, all] of results) {
    const [moves, outages, converged] = [
      all.map((one) => one.moves),
      all.map((one) => one.outageMs),
      all.map((one) => one.convergedMs),
    ];
    console.log(`| ${side} | ${all.length} | ${range(moves)} | ${range(outages)} | ${range(converged)} |`);
  }
}
