import { expect, it } from "vitest";
import { blueprint } from "../../test/support/render.ts";
import type { Host, Reporter } from "../ports.ts";
import { planSwitchover, switchOverEntry } from "./switchover.ts";

const topology = blueprint();
const vip = "10.77.10.10";
const quiet: Reporter = {
  info: () => undefined,
  warn: () => undefined,
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};

/** Two entry hosts that do what the scripts say, as far as a switchover sees it. */
function pair({ stuck = false, connections = [2, 1, 0] } = {}) {
  let holder = "lb1";
  const left = [...connections];
  const log: string[] = [];
  const open = new Set<string>();
  const answer = (name: string, text: string): string => {
    if (text.startsWith("ip -4"))
      return holder === name ? `2: host0    inet ${vip}/32 scope global host0` : "";
    if (text.startsWith("cat /run/holdfast/entry-health")) return "0";
    if (text.startsWith("systemctl is-active")) return "active\nactive\nactive";
    if (text.includes("/sys/class/net")) return `02:00:00:00:00:0${name.at(-1)}\n`;
    if (text.includes("systemd-run")) open.add(name);
    else if (text.includes("stop holdfast-handover")) open.delete(name);
    if (text.includes("ss -Htn")) return `${left.shift() ?? 0}\n`;
    if (text.includes("entry-health.handover") && !stuck) holder = name === "lb1" ? "lb2" : "lb1";
    return "";
  };
  const host = (name: string): Host => ({
    name,
    address: topology.hosts[name]?.address ?? "",
    run: async (argv, options) => {
      const text = [...argv, String(options?.stdin ?? "")].join(" ").replace(/^sh -s /, "");
      log.push(`${name}: ${text}`);
      return Promise.resolve({ code: 0, stdout: answer(name, text), stderr: "" });
    },
  });
  const hosts = new Map(["lb1", "lb2"].map((name) => [name, host(name)]));
  return { hosts, log, open, at: (part: string) => log.findIndex((line) => line.includes(part)) };
}

it("prepares the new holder before the old one passes anything on, drains, then moves, then cleans up", async () => {
  const { hosts, open, at } = pair();
  expect(await switchOverEntry(topology, hosts, quiet)).toEqual({ from: "lb1", to: "lb2", cut: 0 });
  const order = [
    `ip address replace ${vip}/32 dev lo`,
    "fwd to",
    "systemctl reload haproxy.service",
    "ss -Htn",
    "entry-health.handover",
  ].map(at);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  expect(order.every((place) => place >= 0)).toBe(true);
  expect(open.size).toBe(0);
});

it("names whom it would move, and changes nothing for that", async () => {
  const { hosts, log } = pair();
  const { from, to } = await planSwitchover(topology, hosts);
  expect([from.name, to.name]).toEqual(["lb1", "lb2"]);
  expect(log.some((line) => line.includes("holdfast-handover"))).toBe(false);
});

it("undoes everything when the address does not move", async () => {
  const { hosts, open } = pair({ stuck: true });
  await expect(switchOverEntry(topology, hosts, quiet)).rejects.toThrow("waited 10 s for lb2 to hold");
  expect(open.size).toBe(0);
}, 30_000);

it("does not begin without somebody who stands by", async () => {
  const { hosts } = pair();
  const alone = new Map([...hosts].filter(([name]) => name === "lb1"));
  await expect(switchOverEntry(topology, alone, quiet)).rejects.toThrow("nobody stands by");
});
