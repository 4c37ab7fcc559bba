/** Drills on real machines: faults end by themselves, and a service that is not what it says fails. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { beforeAll, describe, expect, it } from "vitest";
import { poll } from "../../src/lib/retry.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { home, must, node } from "../support/lab.ts";
import { removeAfterTests, root, testService, type CliResult, type TestService } from "../support/service.ts";

let service: TestService;

beforeAll(async () => {
  service = await testService();
  await ok(["up", "--yes"]);
}, 900_000);
removeAfterTests(() => service);

const ok = (args: readonly string[]): Promise<CliResult> => service.ok(args);

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
    readonly tookEffect?: boolean;
    readonly reasons?: readonly string[];
  }[];
}
const summaryOf = ({ stdout }: CliResult): Summary =>
  JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as Summary;

const drill = (fault: string): Promise<CliResult> =>
  service.holdfast(["drill", fault, "--rate", "50", "--json"]);

/** Starts a drill and waits until the fault is there. */
async function drillUntil(fault: string, isThere: () => Promise<boolean>) {
  const child = spawn(node, [join(root, "dist/holdfast.cjs"), "drill", fault, "--rate", "50", "--json"], {
    cwd: service.directory,
    env: { ...process.env, HOLDFAST_HOME: home },
    stdio: ["ignore", "pipe", "ignore"],
  });
  const exited = once(child, "exit");
  const stdout = text(child.stdout);
  try {
    await poll(isThere, { deadlineMs: 60_000, intervalMs: 100, what: `${fault} to be injected` });
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  const ended = async (): Promise<CliResult> => {
    const [code] = (await exited) as [number | null];
    return { code, stdout: await stdout, stderr: "" };
  };
  return { child, ended };
}

const hasEnded = (fault: string, isThere: () => Promise<boolean>): Promise<unknown> =>
  poll(async () => !(await isThere()), {
    deadlineMs: 30_000,
    intervalMs: 250,
    what: `${fault} to end by itself`,
  });

/**
 * Starts a drill, kills it with -9 once the fault is there, and waits until it has gone by itself.
 * @returns whether the fault is there
 */
async function killedInTheMiddle(fault: string, isThere: () => Promise<boolean>): Promise<boolean> {
  const { child } = await drillUntil(fault, isThere);
  child.kill("SIGKILL");
  await hasEnded(fault, isThere);
  return isThere();
}

async function isProxyDead(): Promise<boolean> {
  const states = await Promise.all(
    ["lb1", "lb2"].map(async (name) => (await machine(name)).run(["systemctl", "is-active", "haproxy"])),
  );
  return states.some(({ code }) => code !== 0);
}

async function isCut(): Promise<boolean> {
  const tables = await Promise.all(
    ["data1", "data2"].map(async (name) => must(await machine(name), "nft", "list", "tables")),
  );
  return tables.some((listed) => listed.includes("holdfast_drill"));
}

async function isOff(): Promise<boolean> {
  const states = await Promise.all(["lb1", "lb2"].map(async (name) => (await machine(name)).state()));
  return states.includes("off");
}

describe("a drill that is killed with -9", () => {
  it.each([
    ["no dead proxy", "haproxy-dead", isProxyDead],
    ["no cut", "primary-isolated", isCut],
    ["no machine without power", "vip-holder-power-off", isOff],
  ])("leaves %s", async (_, fault, isThere) => {
    expect(await killedInTheMiddle(fault, isThere)).toBe(false);
    await healthy();
  });
});

describe("a drill that does not run to its end", () => {
  it("is no pass when a host has undone the fault while nothing was heard of the drill", async () => {
    const { child, ended } = await drillUntil("primary-isolated", isCut);
    child.kill("SIGSTOP");
    try {
      await hasEnded("primary-isolated", isCut);
    } finally {
      child.kill("SIGCONT");
    }
    const [result] = summaryOf(await ended()).faults;
    expect(result?.reasons?.join()).toContain("the undo fired early");
    expect(["fail", "inconclusive"]).toContain(result?.verdict);
    await healthy();
  });

  it("is healed and judged when the operator interrupts it, and says so", async () => {
    const { child, ended } = await drillUntil("haproxy-dead", isProxyDead);
    child.kill("SIGINT");
    const result = await ended();
    expect(await isProxyDead()).toBe(false);
    expect(result).toMatchObject({ code: 5 });
    const { aborted, faults } = summaryOf(result);
    expect(aborted).toContain("the operator interrupted the drill during haproxy-dead");
    expect(faults).toMatchObject([{ fault: "haproxy-dead", verdict: "inconclusive" }]);
    await healthy();
  });
});

describe("a service that is not what its topology says", () => {
  it("fails when its replica is asynchronous, though no write may be lost", async () => {
    const config = (value: boolean): string[] => [
      ..."curl -sS --fail -X PATCH --cacert /etc/holdfast/tls/postgres/ca.pem".split(" "),
      ..."--cert /etc/holdfast/tls/postgres/cert.pem --key /etc/holdfast/tls/postgres/key.pem".split(" "),
      "--data",
      JSON.stringify({ synchronous_mode: value }),
      "https://data1:8008/config",
    ];
    await must(await machine("data1"), ...config(false));
    try {
      const result = await drill("primary-power-off");
      expect(result).toMatchObject({ code: 4 });
      const { aborted, faults } = summaryOf(result);
      expect(aborted).toBeNull();
      expect(faults).toMatchObject([{ fault: "primary-power-off", verdict: "fail", tookEffect: true }]);
      expect(faults[0]?.reasons).toContain(
        "the topology promises dataLoss none and replication is asynchronous",
      );
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
    const result = await drill("app-hang");
    expect(summaryOf(result).faults[0]?.reasons?.join()).toContain("the longest outage was");
    expect(summaryOf(result).faults).toMatchObject([{ fault: "app-hang", verdict: "fail" }]);
    expect(result).toMatchObject({ code: 4 });
    await service.edit((text) => text.replace("path: /index.html", "path: /role-store/api/v1/status"));
    await ok(["up"]);
    await healthy();
  });
});
