/**
 * Fast failover on real machines: the primary's host is lost, frozen, cut off or left without its agent
 * while clients write through the proxy and straight to every data host. R1.4, R5.4.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Cluster, must } from "../../bench/database/cluster.ts";
import { type BenchFault, faults } from "../../bench/database/faults.ts";
import { oneRun, prepareTable } from "../../bench/database/run.ts";
import { type BenchService, openService } from "../../bench/database/service.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { dumpJournals } from "../support/lab.ts";

/** A machine with nothing to spare is slow; `npm run bench:failover` is what measures. */
const GENEROUS_MS = 15_000;
const timeout = 300_000;

const dropIn = "/run/systemd/system/holdfast-agent.service.d";
const stayDead = `mkdir -p ${dropIn}; printf '[Service]\\nRestart=no\\n' > ${dropIn}/dead.conf; systemctl daemon-reload`;
const mayLive = `rm -r ${dropIn}; systemctl daemon-reload`;
const shell = (machine: LabMachine, script: string): Promise<string> => must(machine, ["sh", "-c", script]);

const fault = (name: string): BenchFault => {
  const found = faults.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no fault ${name}`);
  return found;
};

describe.each([3, 2])("with %i data hosts", (dataHosts) => {
  let service: BenchService | undefined;
  let cluster: Cluster;
  let failed = false;

  beforeAll(async () => {
    service = await openService({ dataHosts, keep: undefined });
    ({ cluster } = service);
    await prepareTable(cluster);
  });
  afterEach(({ task }) => {
    failed ||= task.result?.state === "fail";
  });
  afterAll(async () => {
    if (failed) await dumpJournals(cluster.lab);
    await service?.end();
  });

  it.each(["power-off", "freeze-host", "isolate-from-peers", "kill-both", "stop-agent"])(
    "%s: writes are back before Patroni alone would know, none is lost, and there are never two primaries",
    { timeout },
    async (name) => {
      const result = await oneRun(cluster, "accelerator", fault(name));
      expect(result).toMatchObject({ lost: 0, twice: 0 });
      expect(result.acknowledged).toBeGreaterThan(0);
      expect(result.outageMs).toBeLessThan(GENEROUS_MS);
    },
  );

  it("a switchover: another host is primary, and no write is lost", { timeout }, async () => {
    const before = await cluster.primary();
    const result = await oneRun(cluster, "accelerator", fault("switchover"));
    expect(result).toMatchObject({ lost: 0, twice: 0 });
    expect(result.outageMs).toBeLessThan(GENEROUS_MS);
    expect((await cluster.primary()).name).not.toBe(before.name);
  });

  it("a killed Patroni stops no write", { timeout }, async () => {
    const result = await oneRun(cluster, "accelerator", fault("kill-patroni"));
    expect(result).toMatchObject({ lost: 0, twice: 0 });
    expect(result.outageMs).toBeLessThan(1500);
  });

  it("without agents, Patroni fails over by itself", { timeout }, async () => {
    await cluster.become("fastest");
    const result = await oneRun(cluster, "fastest", fault("power-off"));
    expect(result).toMatchObject({ lost: 0, twice: 0 });
    expect(result.outageMs).not.toBeNull();
    await cluster.become("accelerator");
  });

  it("where all agents died and stay dead, the gates are taken away", { timeout }, async () => {
    for (const machine of cluster.members) await shell(machine, stayDead);
    for (const machine of cluster.members) {
      await must(machine, ["systemctl", "kill", "--signal=SIGKILL", "holdfast-agent.service"]);
    }
    await cluster.whole("fastest");
    const result = await oneRun(cluster, "fastest", fault("kill-postgres"));
    expect(result).toMatchObject({ lost: 0, twice: 0 });
    expect(result.outageMs).not.toBeNull();
    for (const machine of cluster.members) await shell(machine, mayLive);
    await cluster.become("accelerator");
  });
});
