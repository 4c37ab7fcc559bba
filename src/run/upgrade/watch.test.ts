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
const options = {
  ms: 0,
  limits: limitsOf({}, 5),
  ask: () => Promise.resolve({ requests: 10, failures: 0 }),
};

/** As it is before the first look, between the looks, and after the second: each asks for traffic, states, traffic. */
const looks = (before: readonly [Row, Row], between: readonly [Row, Row], after: readonly [Row, Row]): Host =>
  entryHost([before, before, between, between, between, after]);
const none: readonly [Row, Row] = [{ requests: 0 }, { requests: 0 }];

describe("watching a host under live traffic", () => {
  it("adds up what came in between, at all entry hosts", async () => {
    const first: [Row, Row] = [{ requests: 1000, failed: 900 }, { requests: 1000 }];
    const then: [Row, Row] = [{ requests: 1200, failed: 901 }, { requests: 1100 }];
    expect(await watchHost([idle, looks(first, then, then)], "app1", options)).toBe(
      "200 requests, 1 failed, 5 ms; asked 10 times, 0 failed",
    );
    expect(await watchHost([idle], "app1", options)).toBe("0 requests, 0 failed; asked 10 times, 0 failed");
  });

  it("fails a host that goes on failing its clients", async () => {
    const bad = looks(
      none,
      [{ requests: 100, failed: 30 }, { requests: 100 }],
      [{ requests: 190, failed: 60 }, { requests: 200 }],
    );
    await expect(watchHost([bad, idle], "app1", options)).rejects.toThrow(
      "app1 under live traffic: 30 of 100 requests failed",
    );
    const slow = looks(
      none,
      [{ requests: 100, ms: 700 }, { requests: 100 }],
      [{ requests: 200, ms: 600 }, { requests: 200 }],
    );
    await expect(watchHost([slow], "app1", options)).rejects.toThrow("it answers in 600 ms");
  });

  it("fails a host that fails what it is asked, also without clients", async () => {
    const ask = () => Promise.resolve({ requests: 10, failures: 3 });
    await expect(watchHost([idle], "app1", { ...options, ask })).rejects.toThrow("3 of 10 requests failed");
  });

  it("lets a host pass that was bad at first only, or no worse than the others", async () => {
    const warm = looks(
      none,
      [{ requests: 100, failed: 30 }, { requests: 100 }],
      [{ requests: 200, failed: 30 }, { requests: 200 }],
    );
    expect(await watchHost([warm], "app1", options)).toMatch(
      /^100 requests, 0 failed.*before that 30 of 110/,
    );
    const all: [Row, Row] = [
      { requests: 100, failed: 30 },
      { requests: 100, failed: 28 },
    ];
    expect(await watchHost([looks(none, all, all)], "app1", options)).toMatch(/^100 requests, 30 failed/);
  });

  it("fails a host that an entry host keeps out of the pool", async () => {
    const out = entryHost([[{ requests: 0, status: "DOWN" }, { requests: 0 }]]);
    await expect(watchHost([idle, out], "app1", options)).rejects.toThrow("lb1 has it DOWN (L7OK)");
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
