/** The pool on real machines: it grows, shrinks, and replaces a host that is lost, while clients go on. R2.1, R2.2. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { clientAddress, topologySchema } from "../../src/core/topology/schema.ts";
import type { LabMachine } from "../../src/hosts/lab/machine.ts";
import { poll } from "../../src/lib/retry.ts";
import { exec } from "../../src/lib/exec.ts";
import { home, must, node } from "../support/lab.ts";
import { removeAfterTests, root, testService, type TestService } from "../support/service.ts";

let service: TestService;
const machine = async (name: string): Promise<LabMachine> => (await service.lab()).machine(name);

beforeAll(async () => {
  service = await testService();
  await service.edit((text) =>
    text
      .replace(
        /( {2}app2: \{ zone: b, address: (\S+)\.22,.*\n)/,
        "$1  app3: { zone: c, address: $2.23, memory: 2GiB }\n",
      )
      .replace("hosts: [app1, app2]", "hosts: [app1, app2, app3]\n  pool: { max: 3 }"),
  );
  await service.ok(["up", "--yes"]);
});
removeAfterTests(() => service);

/** App hosts that have a machine. */
const appMachines = async (): Promise<string[]> =>
  (await service.lab()).machines.map(({ name }) => name).filter((name) => name.startsWith("app"));

/** Which app hosts lb1's HAProxy sends clients to. */
async function serving(): Promise<string[]> {
  const csv = await must(await machine("lb1"), "curl", "-fsS", "http://127.0.0.1:8404/stats;csv");
  return csv.split("\n").flatMap((line) => {
    const [backend, server] = line.split(",");
    return backend === "app" && server?.startsWith("app") === true && line.split(",")[17] === "UP"
      ? [server]
      : [];
  });
}

/** Requests one after the other through the virtual address, each on its own connection, from a host that stays. */
async function withClients(work: () => Promise<void>): Promise<void> {
  const client = await machine("lb2");
  const vip = clientAddress(topologySchema.parse(parse(await readFile(service.file, "utf8"))));
  const url = `https://${vip}/role-store/api/v1/roles`;
  const ask = `curl -sS -k --max-time 10 -o /dev/null -w '%{http_code}\\n' ${url} >> /run/test-client 2>&1`;
  await must(client, "systemd-run", "--unit=test-client", "sh", "-c", `while :; do ${ask}; sleep 0.05; done`);
  try {
    await work();
  } finally {
    await must(client, "systemctl", "stop", "test-client");
  }
  const lines = (await must(client, "cat", "/run/test-client")).trim().split("\n");
  await must(client, "rm", "/run/test-client");
  expect(lines.filter((line) => line !== "200")).toEqual([]);
  expect(lines.length).toBeGreaterThan(20);
}

it("begins with its minimum, and `plan` and `status` know of no more", async () => {
  expect(await appMachines()).toEqual(["app1", "app2"]);
  expect(await serving()).toEqual(["app1", "app2"]);
  expect((await service.ok(["plan", "--json"])).stdout).toContain('"steps":0');
  await service.ok(["status"]);
});

it("grows and shrinks without a failed request, and without a reload of the entry", async () => {
  const pid = async (): Promise<string> =>
    must(await machine("lb1"), "sh", "-c", "pgrep -x haproxy | sort | tr '\\n' ' '");
  const before = await pid();
  await withClients(async () => {
    const grown = await service.ok(["scale", "3", "--yes", "--json"]);
    expect(JSON.parse(grown.stdout.trim().split("\n").at(-1) ?? "")).toMatchObject({ from: 2, to: 3 });
    expect(await serving()).toEqual(["app1", "app2", "app3"]);
    expect((await service.ok(["plan", "--json"])).stdout).toContain('"steps":0');
    await service.ok(["scale", "2", "--yes"]);
  });
  expect(await appMachines()).toHaveLength(2);
  expect(await serving()).toHaveLength(2);
  expect(await pid()).toBe(before);
  expect((await service.ok(["plan", "--json"])).stdout).toContain('"steps":0');
});

it("makes a snapshot of a host that serves on, without who it is and what is secret", async () => {
  await withClients(async () => {
    await service.ok(["snapshot", "create"]);
  });
  const [line = ""] = (await service.ok(["snapshot", "list", "--json"])).stdout.trim().split("\n");
  const { id, host } = JSON.parse(line) as { id: string; host: string };
  expect((await service.ok(["snapshot", "show", id, "--json"])).stdout).toContain('"intact":true');
  const upper = join(home, "topologies", service.name, "snapshots", id, "upper");
  const find = ["-type", "f", "-exec", "grep", "-lE", "--", `PRIVATE KEY|${host}`, "{}", "+"];
  const { stdout } = await exec(["find", join(upper, "etc"), join(upper, "var"), ...find]);
  expect(stdout.trim().split("\n").filter(Boolean)).toEqual([]);
  expect((await exec(["ls", join(upper, "etc/machine-id")])).code).not.toBe(0);
});

it("replaces a host that is lost from the snapshot, and leaves nothing of it", async () => {
  const [lost] = await appMachines();
  const controller = spawn(node, [join(root, "dist/holdfast.cjs"), "controller", "run", service.file], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, HOLDFAST_HOME: home },
  });
  const ended = once(controller, "exit");
  try {
    await poll(async () => (await service.ok(["status"])).stdout.includes("kept by process"), {
      deadlineMs: 20_000,
      what: "the controller to lead",
    });
    await withClients(async () => {
      await (await machine(lost ?? "")).powerOff();
      const from = performance.now();
      const replaced = async (): Promise<boolean> => {
        const [machines, servers] = [await appMachines(), await serving()];
        return !machines.includes(lost ?? "") && machines.length === 2 && servers.length === 2;
      };
      const full = async (): Promise<boolean> => (await serving()).length === 2;
      await poll(async () => !(await full()), { deadlineMs: 20_000, what: `${lost} to be missed` });
      await poll(full, { deadlineMs: 120_000, intervalMs: 200, what: "full strength" });
      console.log(`full strength ${Math.round(performance.now() - from)} ms after a host was lost`);
      await poll(replaced, { deadlineMs: 120_000, intervalMs: 500, what: `nothing to be left of ${lost}` });
    });
  } finally {
    controller.kill("SIGTERM");
    await ended;
  }
  expect((await service.ok(["plan", "--json"])).stdout).toContain('"steps":0');
});
