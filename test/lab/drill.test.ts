/** Drills on real machines: faults end by themselves, and a service that is not what it says fails. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poll } from "../../src/lib/retry.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { home, must, node } from "../support/lab.ts";
import { root, testService, type CliResult, type TestService } from "../support/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await testService();
  await ok(["up", "--yes"]);
}, 900_000);
afterAll(() => service.remove());

async function ok(args: readonly string[]): Promise<CliResult> {
  const result = await service.holdfast(args);
  expect(result.code, `holdfast ${args.join(" ")}\n${result.stderr}`).toBe(0);
  return result;
}

const machine = async (name: string): Promise<LabMachine> => (await service.lab()).machine(name);

const healthy = (): Promise<void> =>
  poll(async () => (await service.holdfast(["status", "--json"])).stdout.includes('"verdict":"up"'), {
    deadlineMs: 120_000,
    intervalMs: 1000,
    what: "everything to be redundant again",
  }).then(() => undefined);

interface Summary {
  readonly aborted: string | null;
  readonly faults: readonly {
    readonly fault: string;
    readonly verdict: string;
    readonly reasons?: readonly string[];
  }[];
}
const summaryOf = ({ stdout }: CliResult): Summary =>
  JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Summary;

/** A generator that a busy machine made late measured nothing: again then, and never a pass instead. */
async function drillInTime(fault: string): Promise<CliResult> {
  for (let tries = 4; ; tries--) {
    const result = await service.holdfast(["drill", fault, "--rate", "50", "--json"]);
    const reasons = summaryOf(result).faults[0]?.reasons?.join() ?? "";
    const late = result.code === 6 && reasons.includes("the load generator itself was late");
    if (!late || tries === 1) return result;
  }
}

/**
 * Starts a drill, kills it with -9 once the fault is there, and waits until it has gone by itself.
 * @returns whether the fault is there
 */
async function killedInTheMiddle(fault: string, isThere: () => Promise<boolean>): Promise<boolean> {
  const drill = spawn(node, [join(root, "dist/holdfast.cjs"), "drill", fault, "--rate", "50"], {
    cwd: service.directory,
    env: { ...process.env, HOLDFAST_HOME: home },
    stdio: "ignore",
  });
  try {
    await poll(isThere, { deadlineMs: 60_000, intervalMs: 100, what: `${fault} to be injected` });
  } finally {
    drill.kill("SIGKILL");
  }
  await poll(async () => !(await isThere()), {
    deadlineMs: 30_000,
    intervalMs: 250,
    what: `${fault} to end by itself`,
  });
  return isThere();
}

describe("a drill that is killed with -9", () => {
  it("leaves no dead proxy", async () => {
    const isThere = async () => {
      const states = await Promise.all(
        ["lb1", "lb2"].map(async (name) => (await machine(name)).run(["systemctl", "is-active", "haproxy"])),
      );
      return states.some(({ code }) => code !== 0);
    };
    expect(await killedInTheMiddle("haproxy-dead", isThere)).toBe(false);
    await healthy();
  });

  it("leaves no cut", async () => {
    const isThere = async () => {
      const tables = await Promise.all(
        ["data1", "data2"].map(async (name) => must(await machine(name), "nft", "list", "tables")),
      );
      return tables.some((text) => text.includes("holdfast_drill"));
    };
    expect(await killedInTheMiddle("primary-isolated", isThere)).toBe(false);
    await healthy();
  });

  it("leaves no machine without power", async () => {
    const isThere = async () => {
      const states = await Promise.all(["lb1", "lb2"].map(async (name) => (await machine(name)).state()));
      return states.includes("off");
    };
    expect(await killedInTheMiddle("vip-holder-power-off", isThere)).toBe(false);
    await healthy();
  });
});

describe("a service that is not what its topology says", () => {
  it("is not drilled when its replica is asynchronous, though no write may be lost", async () => {
    const config = (value: boolean): string[] => [
      ..."curl -sS --fail -X PATCH --cacert /etc/holdfast/tls/postgres/ca.pem".split(" "),
      ..."--cert /etc/holdfast/tls/postgres/cert.pem --key /etc/holdfast/tls/postgres/key.pem".split(" "),
      "--data",
      JSON.stringify({ synchronous_mode: value }),
      "https://data1:8008/config",
    ];
    await must(await machine("data1"), ...config(false));
    try {
      const result = await service.holdfast(["drill", "primary-kill", "--rate", "50", "--json"]);
      expect(result).toMatchObject({ code: 5 });
      expect(summaryOf(result).aborted).toMatch(/acknowledged writes are on one host only/);
    } finally {
      await must(await machine("data1"), ...config(true));
    }
    await healthy();
  });

  it("fails when its health path says 200 whatever happens", async () => {
    const accepted = "accept:\n  - code: HF141\n    reason: to see the drill find what the check warns of";
    await service.edit((text) =>
      text.replace("path: /role-store/api/v1/status", "path: /index.html").replace(/^accept:.*$/m, accepted),
    );
    await ok(["up"]);
    const result = await drillInTime("app-hang");
    expect(summaryOf(result).faults[0]?.reasons?.join()).toContain("the longest outage was");
    expect(summaryOf(result).faults).toMatchObject([{ fault: "app-hang", verdict: "fail" }]);
    expect(result).toMatchObject({ code: 4 });
    await service.edit((text) => text.replace("path: /index.html", "path: /role-store/api/v1/status"));
    await ok(["up"]);
    await healthy();
  });
});
