import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { HostUnreachable } from "../lib/errors.ts";
import type { Host } from "../ports.ts";
import { collectMarks, type CollectedMarks, marksFile, parseJournal, recordMarks } from "./collect-marks.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

/** A journal whose lines are `[ms ago, identifier, message]`. */
const hostWith = (
  name: string,
  lines: readonly (readonly [number, string, string])[],
  asked: string[][] = [],
): Host => ({
  name,
  address: "10.0.0.1",
  run: (argv) => {
    asked.push([...argv]);
    const now = Number(process.hrtime.bigint()) / 1e3;
    const entries = lines.map(([ago, identifier, message]) =>
      JSON.stringify({
        __MONOTONIC_TIMESTAMP: String(Math.round(now - ago * 1000)),
        SYSLOG_IDENTIFIER: identifier,
        MESSAGE: message,
      }),
    );
    return Promise.resolve({ code: 0, stdout: `${entries.join("\n")}\n`, stderr: "" });
  },
});
const off: Host = {
  name: "lb1",
  address: "10.0.0.2",
  run: () => Promise.reject(new HostUnreachable("lb1", "it is off")),
};

/** A load that began 100 s ago. */
function runningClock(): () => number {
  const zero = performance.now() - 100_000;
  return () => performance.now() - zero;
}

describe("marks from journals", () => {
  it("puts every host's lines on the run's clock and leaves out what is outside the window", async () => {
    const lb2 = hostWith("lb2", [
      [60_000, "Keepalived_vrrp", "(entry) Entering BACKUP STATE"],
      [20_000, "Keepalived_vrrp", "(entry) Entering MASTER STATE"],
    ]);
    const app1 = hostWith("app1", [[19_000, "haproxy", "Server database_primary/data1 is UP, reason: x"]]);
    const { marks, unread } = await collectMarks([app1, lb2, off], {
      from: 70_000,
      to: 90_000,
      now: runningClock(),
    });
    expect(marks.map(({ host, engine, kind }) => [host, engine, kind])).toEqual([
      ["lb2", "keepalived", "act"],
      ["app1", "haproxy", "recovered"],
    ]);
    expect(marks[0]?.at).toBeGreaterThan(79_000);
    expect(marks[0]?.at).toBeLessThan(81_000);
    expect(unread).toEqual([{ host: "lb1", why: "host lb1 cannot be reached: it is off" }]);
  });

  it("asks for no request log: HAProxy's lines by priority", async () => {
    const asked: string[][] = [];
    await collectMarks([hostWith("lb1", [], asked)], { from: 0, to: 1000, now: runningClock() });
    const argv = asked[0] ?? [];
    const haproxy = argv.slice(argv.indexOf("SYSLOG_IDENTIFIER=haproxy"));
    expect(haproxy).toContain("PRIORITY=5");
    expect(haproxy).not.toContain("PRIORITY=6");
    expect(argv.slice(0, argv.indexOf("SYSLOG_IDENTIFIER=haproxy")).join(" ")).not.toContain("PRIORITY");
  });

  it("appends one line per fault to the run's folder", async () => {
    const folder = await mkdtemp(join(tmpdir(), "marks-"));
    folders.push(folder);
    const host = hostWith("lb2", [[1000, "Keepalived_vrrp", "(entry) Entering MASTER STATE"]]);
    const now = runningClock();
    await recordMarks(folder, [host], { from: 0, to: 100_000, now });
    await recordMarks(folder, [host], { from: 0, to: 10, now });
    const lines = (await readFile(marksFile(folder), "utf8")).trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as CollectedMarks).marks.length)).toEqual([1, 0]);
  });

  it("reads fields that are bytes, and skips damaged lines", () => {
    const bytes = [...Buffer.from("(entry) Entering MASTER STATE")];
    const text = `{"__MONOTONIC_TIMESTAMP":"5000000","SYSLOG_IDENTIFIER":"Keepalived_vrrp","MESSAGE":${JSON.stringify(bytes)}}\n{"half`;
    expect(parseJournal(text, "lb1", 4000)).toEqual([
      {
        at: 1000,
        host: "lb1",
        identifier: "Keepalived_vrrp",
        unit: "",
        message: "(entry) Entering MASTER STATE",
      },
    ]);
  });
});
