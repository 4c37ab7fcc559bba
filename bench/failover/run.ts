/** What both benches do: each fault so often on each side, one side after the other. */
import { parseArgs } from "node:util";
import { faults, measure, type Side } from "./side.ts";
import { printTable, type Row } from "./table.ts";

export interface BenchOptions {
  readonly runs: number;
  readonly faults: readonly string[];
  /** How long VRRP is cut, s. */
  readonly split: number;
  /** Name and network (three numbers of a /24) of the lab, so that several may run at once. */
  readonly lab: string;
  readonly network: string;
  /** Which of the two pairs; both unless one is named. */
  readonly sides: readonly string[];
  /** A request every so many ms. */
  readonly every: number;
}

const sideNames = ["Holdfast", "guide"];

/** `--runs 20 --faults host-power-off,proxy-crash --split 300 --sides Holdfast --every 2` (s, ms) */
export function benchOptions(known: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "20" },
      faults: { type: "string", default: known.join(",") },
      split: { type: "string", default: "5m" },
      lab: { type: "string", default: "bench" },
      network: { type: "string", default: "10.94.61" },
      sides: { type: "string", default: sideNames.join(",") },
      every: { type: "string", default: "5" },
    },
  });
  const names = namesIn(values.faults, known, "fault");
  const [, number = "300", unit = "s"] = /^(\d+)(s|m)?$/.exec(values.split) ?? [];
  return {
    runs: Number(values.runs),
    faults: names,
    split: Number(number) * (unit === "m" ? 60 : 1),
    lab: values.lab,
    network: values.network,
    sides: namesIn(values.sides, sideNames, "side"),
    every: Number(values.every),
  };
}

function namesIn(list: string, known: readonly string[], what: string): string[] {
  const names = list.split(",");
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`no ${what} ${unknown}; there are ${known.join(", ")}`);
  return names;
}

/** The sides that `--sides` names. */
export const chosen = <T extends Side>(sides: readonly T[], options: BenchOptions): T[] =>
  sides.filter(({ name }) => options.sides.includes(name));

export const faultNames = Object.keys(faults);

/** @param before called before a side's turn: to make it the one that has the address, where there is only one */
export async function compare(
  title: string,
  sides: readonly Side[],
  options: BenchOptions,
  before: (side: Side) => Promise<void> = async () => undefined,
): Promise<void> {
  const rows: Row[] = [];
  const taken = chosen(sides, options);
  for (const fault of options.faults) {
    const results = taken.map((side) => ({
      side,
      outages: [] as number[],
      failed: [] as number[],
      moved: 0,
    }));
    for (let run = 1; run <= options.runs; run++) {
      for (const result of results) {
        await before(result.side);
        const { outageMs, failed, moved } = await measure(result.side, fault);
        result.outages.push(outageMs);
        result.failed.push(failed);
        if (moved) result.moved++;
        console.error(
          `${fault} ${run}/${options.runs} ${result.side.name}: ${Math.round(outageMs)} ms, ${failed} failed${moved ? ", moved" : ""}`,
        );
      }
    }
    rows.push(...results.map(({ side, ...row }) => ({ fault, side: side.name, ...row })));
  }
  printTable(title, rows);
}
