import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeLab } from "../../test/support/fake-lab.ts";
import { blueprint } from "../../test/support/render.ts";
import { WorkloadServer } from "../../test/support/workload-server.ts";
import { turnsOf } from "../core/drill/order.ts";
import { conclude } from "../core/drill/summary.ts";
import type { Reporter } from "../ports.ts";
import { loadCertificates } from "../run/certificates.ts";
import { judgeFolder } from "./folder.ts";
import type { Timings } from "./phases.ts";
import { type DrillOptions, runDrill } from "./run.ts";

// Each run starts two processes and waits for them: seconds, and many more on a busy machine.
vi.setConfig({ testTimeout: 90_000 });

/** Short waits for what holds, long ones for what a busy machine delays. */
const quick: Timings = {
  baseline: { clean: 700, between: 700, deadline: 20_000 },
  degraded: { clean: 700, deadline: 10_000 },
  total: 700,
  recovery: 20_000,
  verify: { clean: 700, deadline: 10_000 },
};

let home: string;
let server: WorkloadServer;
let options: DrillOptions;
let lab: FakeLab;

const silent: Reporter = {
  info: () => undefined,
  warn: () => undefined,
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "holdfast-drill-"));
  const raw = blueprint("privx-onprem", (file) => {
    file.entry.address.vip = "127.0.0.1";
  });
  const { caCertificate, entry } = await loadCertificates(home, raw, null);
  server = await WorkloadServer.start(entry);
  const topology = blueprint("privx-onprem", (file) => {
    file.entry.address.vip = "127.0.0.1";
    file.entry.ports = { https: server.port };
    // what the server of these tests knows
    const { read, write, readBack } = file.app.workload;
    file.app.workload = { read, write, readBack };
  });
  lab = new FakeLab((up) => server.behave(up ? "normal" : "unavailable"));
  options = {
    topology,
    machines: Object.entries(topology.hosts).map(([name, { address }]) => lab.machine(name, address)),
    clientNamespace: null,
    pki: { caCertificate },
    apiToken: "secret-token",
    folder: join(home, "drills", "run"),
    faults: ["app-kill"],
    rate: 100,
    timings: quick,
    reporter: silent,
    generatorArgv: [process.execPath, join(import.meta.dirname, "../../test/support/loadgen.ts")],
    undoArgv: () => ["sh", "-c", "echo watching; cat > /dev/null"],
    clients: lab.clients,
    renewEntryCertificate: () => Promise.resolve(),
    health: () => Promise.resolve(lab.missing),
  };
});

afterEach(async () => {
  await server.stop();
  await rm(home, { recursive: true });
});

function outage(ms: number): void {
  server.behave("unavailable");
  setTimeout(() => server.behave("normal"), ms);
}

test("a drill: what clients saw of each fault, kept in its folder and judged again alike", async () => {
  lab.onPowerOff = () => {
    lab.vipHolder = "lb2";
    outage(400);
  };
  const summary = await runDrill({ ...options, faults: ["app-kill", "vip-holder-power-off"] });
  expect(summary).toMatchObject({ type: "summary", topology: "privx-onprem", aborted: null });
  const [kill, powerOff] = summary.faults;
  expect(kill).toMatchObject({
    fault: "app-kill",
    target: "app1",
    tookEffect: true,
    acknowledgedWritesLost: 0,
  });
  expect(kill?.acknowledgedWrites).toBeGreaterThan(50);
  expect(powerOff).toMatchObject({
    fault: "vip-holder-power-off",
    target: "lb1",
    tookEffect: true,
    recoveredBy: "keepalived moved the address to lb2",
    acknowledgedWritesLost: 0,
    unverifiedWrites: 0,
  });
  expect(powerOff?.longestOutageMs).toBeGreaterThan(250);
  expect(powerOff?.failedRequests).toBeGreaterThan(10);
  expect(lab.off.size).toBe(0);
  // Only the app's own service was killed, not what its target also wants.
  expect(lab.calls.filter((call) => call.includes("SIGKILL"))).toEqual([
    "systemctl kill --signal=SIGKILL -- role-store.service",
  ]);
  expect((await readdir(options.folder)).sort()).toEqual([
    "engine-marks.jsonl",
    "history.jsonl",
    "marks.json",
    "observations.jsonl",
    "readback.jsonl",
    "report.html",
    "run.json",
    "verdict.json",
  ]);
  expect((await judgeFolder(options.folder)).faults).toEqual(summary.faults);
  const kept = await Promise.all(
    (await readdir(options.folder)).map((file) => readFile(join(options.folder, file), "utf8")),
  );
  expect(kept.join("")).not.toContain("secret-token");
});

test("every acknowledged write belongs to a fault, and a service that drops them fails", async () => {
  lab.onKill = () => {
    server.behave("lie");
    setTimeout(() => server.behave("normal"), 500);
  };
  const summary = await runDrill(options);
  expect(summary.faults[0]?.acknowledgedWritesLost).toBe(server.dropped.size);
  expect(server.dropped.size).toBeGreaterThan(0);
  expect(summary.faults[0]?.acknowledgedWrites).toBe(server.entries.size + server.dropped.size);
  expect(conclude(summary)).toBe("objective-missed");
});

test("a fault that did nothing is not a success", async () => {
  lab.killWorks = false;
  const summary = await runDrill(options);
  expect(summary.faults[0]).toMatchObject({ tookEffect: false, verdict: "inconclusive" });
  expect(conclude(summary)).toBe("inconclusive");
});

test("a service that is not healthy is not broken further", async () => {
  lab.missing = "app2 cannot be reached";
  const timings = { ...quick, baseline: { clean: 700, between: 700, deadline: 1500 } };
  const unhealthy = await runDrill({ ...options, timings });
  expect(unhealthy).toMatchObject({ faults: [], aborted: expect.stringContaining("app2 cannot be reached") });
  expect(conclude(unhealthy)).toBe("aborted");
  lab.missing = null;
  server.behave("unavailable");
  const unserved = await runDrill({ ...options, timings, folder: `${options.folder}-2` });
  expect(unserved).toMatchObject({ faults: [], aborted: expect.stringContaining("requests failed") });
  expect(lab.calls.some((call) => call.includes("SIGKILL"))).toBe(false);
});

test("a target that does not recover fails, and the faults after it are left out", async () => {
  lab.onKill = () => {
    lab.missing = "app1 is not healthy: 503";
  };
  const summary = await runDrill({
    ...options,
    timings: { ...quick, recovery: 1500 },
    faults: ["app-kill", "vip-holder-power-off"],
  });
  expect(summary.faults).toMatchObject([{ fault: "app-kill", verdict: "fail" }]);
  expect(summary.faults[0]?.reasons.join()).toContain("app1 is not healthy: 503");
  expect(summary.aborted).toContain("app-kill");
  expect(lab.off.size).toBe(0);
});

test("an interrupt during a fault heals it, and the run says so", async () => {
  const interrupt = new AbortController();
  lab.onPowerOff = () => {
    lab.vipHolder = "lb2";
    server.behave("unavailable");
    setTimeout(() => interrupt.abort(), 300);
    setTimeout(() => server.behave("normal"), 1500);
  };
  const faults = ["vip-holder-power-off", "app-kill"];
  const summary = await runDrill({ ...options, faults, signal: interrupt.signal });
  expect(lab.off.size).toBe(0);
  expect(lab.calls.some((call) => call.includes("SIGKILL"))).toBe(false);
  expect(conclude(summary)).toBe("aborted");
  expect(summary.aborted).toContain("the operator interrupted the drill during vip-holder-power-off");
  expect(summary.faults).toMatchObject([{ fault: "vip-holder-power-off", verdict: "inconclusive" }]);
  expect(summary.faults[0]?.reasons).toContain("the operator interrupted the drill during this fault");
  for (const file of ["verdict.json", "report.html"]) {
    const kept = await readFile(join(options.folder, file), "utf8");
    expect(kept).toContain("the operator interrupted the drill during vip-holder-power-off");
    expect(kept).not.toContain("operation was aborted");
  }
});

test("an interrupt before the first fault breaks nothing, and the run says so", async () => {
  const interrupt = new AbortController();
  lab.missing = "data2 is still starting";
  const health = () => {
    interrupt.abort();
    return Promise.resolve(lab.missing);
  };
  const summary = await runDrill({ ...options, health, signal: interrupt.signal });
  expect(summary).toMatchObject({ faults: [], aborted: expect.stringContaining("before app-kill") });
  expect(lab.calls.some((call) => call.includes("SIGKILL"))).toBe(false);
  expect(await readFile(join(options.folder, "report.html"), "utf8")).toContain("operator interrupted");
});

test("a fault that was undone while the drill lived is no pass", async () => {
  lab.onPowerOff = (name) => {
    lab.vipHolder = "lb2";
    setTimeout(() => lab.off.delete(name), 300);
  };
  const summary = await runDrill({ ...options, faults: ["vip-holder-power-off"] });
  expect(summary.faults).toMatchObject([{ tookEffect: true, verdict: "inconclusive" }]);
  expect(summary.faults[0]?.reasons).toContain("lb1 had power again before the drill gave it");
});

test("a service that is not set up for what its topology promises fails, whatever clients saw", async () => {
  lab.synchronous = false;
  const summary = await runDrill(options);
  expect(summary).toMatchObject({ aborted: null, faults: [{ tookEffect: true, verdict: "fail" }] });
  expect(summary.faults[0]?.reasons).toEqual([
    "the topology promises dataLoss none and replication is asynchronous",
  ]);
});

test("unknown faults and topologies without a workload are refused before anything starts", async () => {
  await expect(runDrill({ ...options, faults: ["meteor"] })).rejects.toThrow("there is no fault meteor");
  const service = blueprint();
  const { workload: _, ...app } = service.app;
  const topology = { ...options.topology, app };
  await expect(runDrill({ ...options, topology })).rejects.toThrow("does not say what a drill may send");
  const oneHost = { ...options.topology, app: { ...service.app, hosts: ["app1"] } };
  await expect(runDrill({ ...options, topology: oneHost })).rejects.toThrow("the app has only one host");
  await expect(readdir(options.folder)).rejects.toThrow("ENOENT");
});

test("a lost write is charged to the fault after which it was found missing", async () => {
  let kills = 0;
  lab.onKill = () => {
    if (++kills === 1) {
      server.behave("lie");
      setTimeout(() => server.behave("normal"), 300);
    } else {
      const [oldest = ""] = server.entries.keys(); // read back after the first fault, and there
      server.entries.delete(oldest);
      server.dropped.add(oldest);
    }
  };
  const { faults } = await runDrill({ ...options, faults: ["app-kill", "app-kill"] });
  expect(faults.map(({ verdict }) => verdict)).toEqual(["fail", "fail"]);
  const [first, second] = faults.map(({ lostWrites }) => lostWrites);
  expect(second).toHaveLength(1);
  expect([...(first ?? []), ...(second ?? [])].toSorted()).toEqual([...server.dropped].toSorted());
});

test("a load generator that cannot start says why", async () => {
  const generatorArgv = [process.execPath, "-e", "console.error('no such module'); process.exit(3)"];
  await expect(runDrill({ ...options, generatorArgv })).rejects.toThrow("no such module");
});

test("what these machines cannot do is not run, which is no pass, and takes no other fault along", async () => {
  const summary = await runDrill({ ...options, faults: ["clock-forward", "client-link-cut"] });
  expect(summary.notRun).toMatchObject([
    { fault: "clock-forward", verdict: "not-run", reason: expect.stringContaining("share one clock") },
  ]);
  expect(summary.faults).toMatchObject([{ fault: "client-link-cut", tookEffect: true, verdict: "pass" }]);
  expect(lab.linkUp).toBe(true);
  const kept = JSON.parse(await readFile(join(options.folder, "verdict.json"), "utf8")) as {
    faults: { fault: string; verdict: string }[];
  };
  expect(kept.faults.map(({ verdict }) => verdict)).toEqual(["pass", "not-run"]);
  const folder = `${options.folder}-2`;
  expect(conclude(await runDrill({ ...options, folder, faults: ["clock-forward"] }))).toBe("inconclusive");
});

test("repeats come in rounds, each in an order of its own that the seed gives again", async () => {
  const faults = ["app-kill", "vip-holder-power-off", "client-link-cut"];
  const summary = await runDrill({ ...options, faults, repeat: 2, seed: 5 });
  const order = summary.faults.map(({ fault, repeat }) => `${repeat} ${fault}`);
  expect(order.toSorted()).toEqual(
    [1, 2].flatMap((round) => faults.map((name) => `${round} ${name}`)).toSorted(),
  );
  expect(order).toEqual(turnsOf(faults, 2, 5).map(({ fault, repeat }) => `${repeat} ${fault}`));
  expect(summary.seed).toBe(5);
});

test("an interrupt keeps what was measured before", async () => {
  const interrupt = new AbortController();
  let injected = 0;
  lab.onKill = () => {
    if (++injected === 2) interrupt.abort();
  };
  const faults = ["app-kill", "app-kill"];
  const summary = await runDrill({ ...options, faults, signal: interrupt.signal });
  const interrupted = summary.faults.map(({ reasons }) => reasons.some((one) => one.includes("interrupted")));
  expect(interrupted).toEqual([false, true]);
  expect(summary.aborted).toContain("interrupted");
});
