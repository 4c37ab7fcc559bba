/** What the failover bench and its lab test conclude from clients' lines. */
import { expect, it } from "vitest";
import { judgeRun, longestGap, parseLedger, spread, type WriteLine } from "../../bench/database/ledger.ts";

let id = 0;
const write = (done: number, server = "a", edit: Partial<WriteLine> = {}): WriteLine => ({
  id: ++id,
  path: "proxy",
  sent: done - 1,
  done,
  outcome: "ok",
  server,
  ...edit,
});
const ids = (lines: readonly WriteLine[]): Set<number> => new Set(lines.map((line) => line.id));

it("finds the longest time without an acknowledged write, from the last before the fault on", () => {
  expect(longestGap([0, 5000, 9990, 11_200, 11_210, 12_000], 10_000)).toBe(1210);
  expect(longestGap([0, 5000], 10_000)).toBeNull();
  expect(longestGap([10_500], 10_000)).toBe(500);
});

it("calls a write lost only when it was acknowledged and is not there", () => {
  const lines = [
    write(1),
    write(2),
    write(3, "", { outcome: "unknown" }),
    write(4, "", { outcome: "failed" }),
  ];
  expect(judgeRun(lines, 0, ids(lines)).lost).toBe(0);
  expect(judgeRun(lines, 0, ids(lines.slice(0, 1)))).toMatchObject({ acknowledged: 2, lost: 1 });
});

it("counts what the old primary acknowledged after the new one had", () => {
  const before = [write(100, "a"), write(2000, "b")];
  const late = write(2600, "a", { sent: 2500, path: "direct a" });
  const underWay = write(2100, "a", { sent: 1900, path: "direct a" });
  const judged = (lines: readonly WriteLine[]): number => judgeRun(lines, 1000, ids(lines)).twice;
  expect(judged(before)).toBe(0);
  expect(judged([...before, underWay])).toBe(0);
  expect(judged([...before, late])).toBe(1);
});

it("measures the outage through the proxy, not past it", () => {
  const lines = [write(900), write(1500, "a", { path: "direct a" }), write(3000)];
  expect(judgeRun(lines, 1000, ids(lines)).outageMs).toBe(2100);
});

it("reads whole lines only", () => {
  const text = `${JSON.stringify(write(1))}\n{"id":2,"pa`;
  expect(parseLedger(text)).toHaveLength(1);
});

it("says in how many runs writes never came back", () => {
  expect(spread([1000, null, 3000, 2000])).toBe("1.00/2.00/3.00 (1 never)");
  expect(spread([null])).toBe("never");
});
