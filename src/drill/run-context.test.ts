import { describe, expect, it } from "vitest";
import { blueprint } from "../../test/support/render.ts";
import { HostUnreachable } from "../lib/errors.ts";
import type { Host } from "../ports.ts";
import { describeRun } from "./run-context.ts";

/** Answers as the real programs do: some on standard error. */
const answers: Readonly<Record<string, { stdout?: string; stderr?: string }>> = {
  "haproxy -v": { stdout: "HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/\n" },
  "keepalived --version": { stderr: "Keepalived v2.2.7 (01/16,2022)\n" },
  "nginx -v": { stderr: "nginx version: nginx/1.22.1\n" },
  "etcd --version": { stdout: "etcd Version: 3.4.23\nGit SHA: Not provided\n" },
  "/opt/patroni/bin/patroni --version": { stdout: "patroni 4.1.5\n" },
};
const host = (name: string): Host => ({
  name,
  address: "10.0.0.1",
  run: (argv) => {
    if (name === "lb2") return Promise.reject(new HostUnreachable(name, "it is off"));
    const answer = answers[argv.join(" ")];
    return Promise.resolve({ code: answer === undefined ? 127 : 0, stdout: "", stderr: "", ...answer });
  },
});
const machines = ["lb1", "lb2", "app1", "data1", "data2", "data3"].map(host);

describe("what a run was made with", () => {
  it("asks the hosts for their engines' versions, and leaves out what nobody answers", async () => {
    const { engines } = await describeRun({ topology: blueprint(), machines }, ["drill"]);
    expect(engines).toEqual([
      { engine: "HAProxy", version: "2.6.12-1+deb12u4", hosts: ["lb1", "app1"] },
      { engine: "keepalived", version: "2.2.7", hosts: ["lb1"] },
      { engine: "nginx", version: "1.22.1", hosts: ["app1"] },
      { engine: "Patroni", version: "4.1.5", hosts: ["data1", "data2"] },
      { engine: "etcd", version: "3.4.23", hosts: ["data1", "data2", "data3"] },
    ]);
  });

  it("gives the command that makes the same run, with the seed that was drawn", async () => {
    const command = async (seed: number | null, ...argv: string[]): Promise<string> =>
      (await describeRun({ topology: blueprint(), machines: [], seed }, argv)).command;
    expect(await command(7, "drill", "--all", "--repeat", "5")).toBe(
      "holdfast drill --all --repeat 5 --seed 7",
    );
    expect(await command(7, "drill", "--all", "--seed", "7")).toBe("holdfast drill --all --seed 7");
    expect(await command(null, "drill", "app-kill", "--topology", "my file.yaml")).toBe(
      "holdfast drill app-kill --topology 'my file.yaml'",
    );
  });

  it("tells topologies apart by their hash", async () => {
    const hash = async (change: Parameters<typeof blueprint>[1]): Promise<string> =>
      (await describeRun({ topology: blueprint("privx-onprem", change), machines: [] }, [])).topologyHash;
    const same = await hash(() => undefined);
    expect(await hash(() => undefined)).toBe(same);
    expect(
      await hash((raw) => {
        raw.objectives.app.recoveryTime = "2s";
      }),
    ).not.toBe(same);
  });
});
