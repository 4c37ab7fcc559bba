import { describe, expect, it } from "vitest";
import { limitsOf } from "../../core/upgrade/gate.ts";
import { HostUnreachable } from "../../lib/errors.ts";
import type { Host } from "../../ports.ts";
import { responseMsOf, watchHost } from "./watch.ts";

interface Row {
  readonly status?: string;
  readonly requests: number;
  readonly failed?: number;
  readonly ms?: number;
}

/** An entry host whose HAProxy shows app1 and app2 as `looks` has them, one look after the other, then the last one. */
function entryHost(looks: readonly (readonly [Row, Row])[] | null): Host {
  let next = 0;
  return {
    name: "lb1",
    address: "10.77.10.11",
    run: () => {
      const look = looks?.[Math.min(next, looks.length - 1)];
      next += 1;
      if (look === undefined) return Promise.resolve({ code: 1, stdout: "", stderr: "" });
      const lines = look.map(
        ({ status = "UP", requests, failed = 0, ms = 5 }, index) =>
          `app,app${index + 1},0,${status},${requests},${failed},0,0,0,${ms},2,L7OK`,
      );
      const head = "# pxname,svname,scur,status,req_tot,hrsp_5xx,eresp,wretr,wredis,rtime,type,check_status";
      return Promise.resolve({ code: 0, stdout: `${head}\n${lines.join("\n")}\n`, stderr: "" });
    },
  };
}
const idle = entryHost([[{ requests: 0 }, { requests: 0 }]]);
const options = { ms: 0, limits: limitsOf({}, 5) };

describe("watching a host under live traffic", () => {
  it("adds up what came in between, at all entry hosts", async () => {
    const first: [Row, Row] = [{ requests: 1000, failed: 900 }, { requests: 1000 }];
    const then: [Row, Row] = [{ requests: 1200, failed: 901 }, { requests: 1100 }];
    expect(await watchHost([idle, entryHost([first, then])], "app1", options)).toBe(
      "200 requests, 1 failed, 5 ms",
    );
    expect(await watchHost([idle], "app1", options)).toMatch(/^no request came/);
  });

  it("fails a host that fails its clients, unless the others do too", async () => {
    const first: [Row, Row] = [{ requests: 0 }, { requests: 0 }];
    const bad = entryHost([first, [{ requests: 100, failed: 30 }, { requests: 100 }]]);
    await expect(watchHost([bad, idle], "app1", options)).rejects.toThrow(
      "app1 under live traffic: 30 of 100 requests failed",
    );
    const all = entryHost([
      first,
      [
        { requests: 100, failed: 30 },
        { requests: 100, failed: 28 },
      ],
    ]);
    expect(await watchHost([all], "app1", options)).toMatch(/^100 requests, 30 failed/);
    const slow = entryHost([first, [{ requests: 100, ms: 700 }, { requests: 100 }]]);
    await expect(watchHost([slow], "app1", options)).rejects.toThrow("it answers in 700 ms");
  });

  it("fails a host that any entry host has out of the pool", async () => {
    const out = entryHost([[{ requests: 0, status: "DOWN" }, { requests: 0 }]]);
    await expect(watchHost([idle, out], "app1", options)).rejects.toThrow("lb1 has app1 DOWN (L7OK)");
  });

  it("says nothing about a host when HAProxy says nothing", async () => {
    await expect(watchHost([idle, entryHost(null)], "app1", options)).rejects.toThrow(HostUnreachable);
  });
});

it("the pool's response time is that of its busiest server, and none without traffic", async () => {
  const busy = entryHost([
    [
      { requests: 10, ms: 90 },
      { requests: 900, ms: 12 },
    ],
  ]);
  expect(await responseMsOf([idle, busy])).toBe(12);
  expect(await responseMsOf([idle])).toBeNull();
});
