import { expect, test } from "vitest";
import type { FaultResult } from "./judge.ts";
import { conclude, formatSummary } from "./summary.ts";

const passed: FaultResult = {
  fault: "app-kill",
  tookEffect: true,
  longestOutageMs: 120.4,
  unavailableMs: 130,
  failedRequests: 3,
  failedIdempotentRequests: 0,
  acknowledgedWrites: 812,
  acknowledgedWritesLost: 0,
  recoveredBy: "systemd restarted 3 services",
  verdict: "pass",
  title: "kill",
  target: "app1",
  proof: "gone",
  reasons: [],
  longestOutageMsByClass: { read: 0, "read-fresh": 0, write: 120.4 },
  longestOutageRangeMs: { low: 80.4, high: 160.4 },
  failed: 1,
  unknown: 2,
  samplingMs: 100,
  sendLagP99Ms: 1.2,
  requests: 2000,
  lostWrites: [],
  phantomWrites: [],
  duplicateWrites: [],
  unverifiedWrites: 0,
};
const failed: FaultResult = { ...passed, verdict: "fail", reasons: ["the longest outage was 12 s"] };
const doubtful: FaultResult = { ...passed, verdict: "inconclusive" };

test("the worst finding decides", () => {
  expect(conclude({ faults: [passed], aborted: null })).toBe("pass");
  expect(conclude({ faults: [passed, doubtful], aborted: null })).toBe("inconclusive");
  expect(conclude({ faults: [doubtful], aborted: "not healthy" })).toBe("aborted");
  expect(conclude({ faults: [failed, doubtful], aborted: null })).toBe("objective-missed");
  expect(conclude({ faults: [failed, doubtful], aborted: "not healthy" })).toBe("aborted");
  expect(conclude({ faults: [], aborted: null })).toBe("inconclusive");
});

test("the table says what clients saw, what was lost, who recovered it, and why not", () => {
  const summary = { type: "summary", topology: "t", folder: "/f", aborted: null } as const;
  const lines = formatSummary({
    ...summary,
    faults: [
      passed,
      { ...failed, longestOutageMs: 12_000, longestOutageRangeMs: { low: 11_960, high: 12_040 } },
    ],
  });
  expect(lines).toEqual([
    "Fault            Longest outage  Failed requests     Writes lost  Recovered by                  Verdict",
    "───────────────  ──────────────  ──────────────────  ───────────  ────────────────────────────  ───────",
    "app-kill (app1)  80 ms – 160 ms  3 of 2000 (GET: 0)  0 of 812     systemd restarted 3 services  pass",
    "app-kill (app1)  12 s – 12 s     3 of 2000 (GET: 0)  0 of 812     systemd restarted 3 services  fail",
    "app-kill: the longest outage was 12 s",
    "Outages are known to about 100 ms (spacing of one client's requests).",
  ]);
});
