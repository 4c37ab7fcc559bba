import { expect, it } from "vitest";
import { blueprint } from "../../test/support/render.ts";
import { isService } from "../core/topology/schema.ts";
import { HostUnreachable } from "../lib/errors.ts";
import type { Host, Reporter } from "../ports.ts";
import { planDatabaseSwitchover, switchOverDatabase } from "./database-switchover.ts";

const topology = blueprint("privx-onprem", (file) => {
  file.database.hosts = ["data1", "data2", "data3"];
});
if (!isService(topology)) throw new Error("no service");
const quiet: Reporter = {
  info: () => undefined,
  warn: () => undefined,
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};

type Member = Record<string, unknown> & { name: string; role: string };
const leader = (name: string, timeline = 4): Member => ({ name, role: "leader", state: "running", timeline });
const standby = (name: string, lag: number | string = 0, role = "quorum_standby"): Member => ({
  name,
  role,
  state: "streaming",
  timeline: 4,
  lag,
});

/** Database hosts whose Patroni is asked for its cluster, and does what it is asked to. */
function tier(members: Member[], { pause = false, status = 200, elected = "data3", off = "" } = {}) {
  let now = members;
  const log: string[] = [];
  const answer = (name: string, text: string): { code: number; stdout: string } => {
    if (text.endsWith("/cluster")) return { code: 0, stdout: JSON.stringify({ members: now, pause }) };
    if (text.includes("CHECKPOINT")) log.push(`${name}: checkpoint`);
    if (text.includes("/switchover")) {
      log.push(`${name}: ${/--data (\{.*\}) /.exec(text)?.[1]}`);
      const primary = /"candidate":"(\w+)"/.exec(text)?.[1] ?? elected;
      if (status === 200) {
        now = members.map((one) => (one.name === primary ? leader(primary, 5) : standby(one.name)));
      }
      return { code: 0, stdout: `Patroni's words\n${status}` };
    }
    return { code: 0, stdout: "" };
  };
  const host = (name: string): Host => ({
    name,
    address: topology.hosts[name]?.address ?? "",
    run: async (argv) => {
      if (name === off) throw new HostUnreachable(name, "off");
      return Promise.resolve({ stderr: "", ...answer(name, argv.join(" ")) });
    },
  });
  return { hosts: new Map(["data1", "data2", "data3"].map((name) => [name, host(name)])), log };
}

it("checkpoints first, and lets the election decide among those that lack nothing", async () => {
  const { hosts, log } = tier([leader("data1"), standby("data2", 4096), standby("data3")]);
  const plan = await planDatabaseSwitchover(topology, hosts);
  expect(plan).toEqual({ from: "data1", to: ["data3", "data2"], named: false });
  expect(log).toEqual([]);
  expect(plan && (await switchOverDatabase(topology, hosts, plan, quiet))).toBe("data3");
  expect(log).toEqual(["data1: checkpoint", 'data1: {"leader":"data1"}']);
});

it("names the wanted host only where there is a choice", async () => {
  const { hosts, log } = tier([leader("data1"), standby("data2"), standby("data3")]);
  const plan = await planDatabaseSwitchover(topology, hosts, "data2");
  expect(plan).toEqual({ from: "data1", to: ["data2"], named: true });
  expect(plan && (await switchOverDatabase(topology, hosts, plan, quiet))).toBe("data2");
  expect(log.at(-1)).toBe('data1: {"leader":"data1","candidate":"data2"}');
  const alone = tier([leader("data1"), standby("data2"), standby("data3", 0, "replica")]);
  expect(await planDatabaseSwitchover(topology, alone.hosts, "data2")).toMatchObject({ named: false });
  expect(await planDatabaseSwitchover(topology, hosts, "data2")).toBeNull();
});

it.each([
  ["an asynchronous one", [leader("data1"), standby("data2", 0, "replica")], "data2 is streaming (replica)"],
  ["one too far behind", [leader("data1"), standby("data2", 17 * 1024 ** 2)], "17825792 bytes behind"],
  ["one of which nobody knows", [leader("data1"), standby("data2", "unknown")], "? bytes behind"],
  ["none", [leader("data1")], "there is no replica"],
  ["no primary", [standby("data1"), standby("data2")], "the database has no primary"],
])("does not begin with %s", async (_what, members, found) => {
  const { hosts, log } = tier(members);
  await expect(planDatabaseSwitchover(topology, hosts)).rejects.toThrow(found);
  expect(log).toEqual([]);
});

it("an asynchronous replica may take over where losing writes is accepted", async () => {
  const bounded = blueprint("privx-onprem", (file) => {
    file.database.hosts = ["data1", "data2", "data3"];
    file.objectives.database.dataLoss = "bounded";
  });
  if (!isService(bounded)) throw new Error("no service");
  const { hosts } = tier([leader("data1"), standby("data2", 0, "replica")]);
  expect(await planDatabaseSwitchover(bounded, hosts)).toMatchObject({ to: ["data2"] });
});

it("refuses a host without a database, and a paused Patroni", async () => {
  const { hosts } = tier([leader("data1"), standby("data2")], { pause: true });
  await expect(planDatabaseSwitchover(topology, hosts, "app1")).rejects.toThrow("app1 is no database host");
  await expect(planDatabaseSwitchover(topology, hosts)).rejects.toThrow("Patroni is paused");
});

it("goes by the newest timeline, and by who can be asked", async () => {
  const { hosts } = tier([leader("data2", 7), standby("data1")], { off: "data3" });
  const stale = tier([leader("data1", 6), standby("data2")]).hosts.get("data1");
  if (stale !== undefined) hosts.set("data1", stale);
  expect(await planDatabaseSwitchover(topology, hosts)).toMatchObject({ from: "data2", to: ["data1"] });
});

it("says what Patroni said when nobody takes over", async () => {
  const { hosts } = tier([leader("data1"), standby("data2")], { status: 412 });
  const plan = await planDatabaseSwitchover(topology, hosts);
  await expect(plan && switchOverDatabase(topology, hosts, plan, quiet)).rejects.toThrow(
    "data1 did not hand over: Patroni's words",
  );
});
