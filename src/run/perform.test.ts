import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Phase, type DesiredHost } from "../core/plan/desired.ts";
import type { Step } from "../core/plan/steps.ts";
import { HoldfastError, HostUnreachable } from "../lib/errors.ts";
import type { Host, Reporter } from "../ports.ts";
import { openJournal } from "./journal.ts";
import { perform, type PerformContext } from "./perform.ts";

const silent: Reporter = {
  info: () => {},
  warn: () => {},
  event: () => {},
  task: () => ({ update: () => {}, done: () => {}, fail: () => {} }),
};
const nothing = { packages: [], users: [], directories: [], files: [], units: [], tasks: [] };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-perform-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A host whose commands are answered by `answer`; everything it was asked is kept. */
function fakeHost(name: string, answer: (argv: readonly string[]) => number | Error = () => 0) {
  const asked: string[] = [];
  const host: Host = {
    name,
    address: "10.0.0.1",
    run(argv) {
      if (argv[0] === "cat")
        return Promise.resolve({ code: 1, stdout: "", stderr: "No such file or directory" });
      asked.push(argv[0] === "sh" ? `write ${argv[4]}` : argv.join(" "));
      const result = answer(argv);
      if (result instanceof Error) return Promise.reject(result);
      return Promise.resolve({ code: result, stdout: "", stderr: result === 0 ? "" : "it says why" });
    },
  };
  return { host, asked };
}

const task = (host: string, id: string, phase: Phase): Step => ({
  host,
  phase,
  kind: "task",
  id,
  summary: `task ${id}`,
});
const wants = (host: string, ...ids: string[]): DesiredHost => ({
  host,
  ...nothing,
  tasks: ids.map((id) => ({ id, title: id, phase: Phase.app, done: ["done", id], act: ["act", id] })),
});

function contextOf(
  hosts: readonly Host[],
  desired: readonly DesiredHost[],
  signal = new AbortController().signal,
): PerformContext {
  const none = { sha256: "", version: "", bytes: new Uint8Array() };
  return {
    hosts: new Map(hosts.map((host) => [host.name, host])),
    desired: new Map(desired.map((host) => [host.host, host])),
    artifacts: { holdfast: none, app: none },
    journal: openJournal(directory, "up"),
    reporter: silent,
    signal,
  };
}

/** A task's probe fails until its act has run. */
function taskHost(name: string, failing: readonly string[] = []) {
  const acted = new Set<string>();
  return fakeHost(name, ([verb = "", id = ""]) => {
    if (verb === "act" && failing.includes(id)) return 3;
    if (verb === "act") acted.add(id);
    return verb === "done" && !acted.has(id) ? 1 : 0;
  });
}
const actsOf = (asked: readonly string[]): string[] => asked.filter((line) => line.startsWith("act"));

describe("perform", () => {
  it("ends a phase on all hosts before the next begins", async () => {
    const order: string[] = [];
    const a = taskHost("a");
    const b = taskHost("b");
    const plan = {
      steps: [task("a", "one", Phase.app), task("b", "one", Phase.app), task("a", "two", Phase.entry)],
    };
    const context = contextOf([a.host, b.host], [wants("a", "one", "two"), wants("b", "one")]);
    await perform(plan, { ...context, beforeStep: (step) => order.push(`${step.host} ${step.phase}`) });
    expect(order).toEqual(["a 50", "b 50", "a 70"]);
  });

  it("lets the other hosts finish the phase, names every failed one, and stops there", async () => {
    const a = taskHost("a", ["one"]);
    const b = taskHost("b");
    const c = fakeHost("c", () => new HostUnreachable("c", "it is off"));
    const plan = {
      steps: [...["a", "b", "c"].map((host) => task(host, "one", Phase.app)), task("b", "two", Phase.entry)],
    };
    const context = contextOf(
      [a.host, b.host, c.host],
      [wants("a", "one"), wants("b", "one", "two"), wants("c", "one")],
    );
    const error = await perform(plan, context).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(HoldfastError);
    expect((error as HoldfastError).message).toBe(
      "a: task one: it failed (exit 3): it says why\nhost c cannot be reached: it is off (while performing: task one)",
    );
    expect((error as HoldfastError).fix).toMatch(/bring c back .* and run the same command again/);
    expect(actsOf(b.asked)).toEqual(["act one"]);
    expect(readFileSync(join(directory, "journal.ndjson"), "utf8")).toContain(
      '"step":"a task one","event":"failed"',
    );
  });

  it("does not act when the task is done meanwhile, and fails when acting changes nothing", async () => {
    const done = fakeHost("a");
    await perform({ steps: [task("a", "one", Phase.app)] }, contextOf([done.host], [wants("a", "one")]));
    expect(actsOf(done.asked)).toEqual([]);
    const useless = fakeHost("a", ([verb]) => (verb === "done" ? 1 : 0));
    const run = perform(
      { steps: [task("a", "one", Phase.app)] },
      contextOf([useless.host], [wants("a", "one")]),
    );
    await expect(run).rejects.toThrow("it ended well, but its check still fails");
  });

  it("stops between steps when it is interrupted", async () => {
    const controller = new AbortController();
    const a = taskHost("a");
    const context = contextOf([a.host], [wants("a", "one", "two")], controller.signal);
    const plan = { steps: [task("a", "one", Phase.app), task("a", "two", Phase.app)] };
    const run = perform(plan, { ...context, beforeStep: () => controller.abort() });
    await expect(run).rejects.toThrow("interrupted");
    expect(actsOf(a.asked)).toEqual(["act one"]);
  });

  it("restarts units of one key one host at a time, and leaves the rest alone when one fails", async () => {
    const unit = {
      name: "q.service",
      phase: Phase.data,
      state: "running",
      files: [],
      onChange: "restart",
      serial: "q",
    } as const;
    let busy = 0;
    let most = 0;
    const quorum = (name: string, fails: boolean) => {
      const asked: string[] = [];
      const host: Host = {
        name,
        address: "10.0.0.1",
        async run(argv) {
          if (argv[0] === "cat") return { code: 1, stdout: "", stderr: "No such file or directory" };
          if (argv[1] !== "restart") return { code: 0, stdout: "", stderr: "" };
          asked.push("restart");
          busy += 1;
          most = Math.max(most, busy);
          await new Promise((resolve) => setImmediate(resolve));
          busy -= 1;
          return { code: fails ? 1 : 0, stdout: "", stderr: "" };
        },
      };
      return { host, asked };
    };
    const step = (host: string): Step => ({
      host,
      phase: Phase.data,
      kind: "unit",
      name: unit.name,
      action: "restart",
      serial: "q",
      summary: "restart q.service",
    });
    const all = [quorum("a", false), quorum("b", true), quorum("c", false)];
    const desired = all.map(({ host }) => ({ host: host.name, ...nothing, units: [unit] }));
    const context = contextOf(
      all.map(({ host }) => host),
      desired,
    );
    const error = await perform({ steps: ["a", "b", "c"].map(step) }, context).catch(
      (caught: Error) => caught,
    );
    expect(most).toBe(1);
    expect(all[1]?.asked).toEqual(["restart"]);
    // Which of the others came before b is open; those after it say why nothing was done to them.
    for (const { host, asked } of all) {
      const leftAlone = `${host.name}: restart q.service: left alone: the same change failed on another host first`;
      expect(error?.message.includes(leftAlone)).toBe(asked.length === 0);
    }
  });

  it("forgets which files a unit runs with before it is restarted: one that fails has read the new ones", async () => {
    const unit = {
      name: "q.service",
      phase: Phase.data,
      state: "running",
      files: [],
      onChange: "restart",
    } as const;
    const { host, asked } = fakeHost("a", (argv) => (argv[1] === "restart" ? 1 : 0));
    const step: Step = {
      host: "a",
      phase: Phase.data,
      kind: "unit",
      name: unit.name,
      action: "restart",
      summary: "restart",
    };
    const run = perform({ steps: [step] }, contextOf([host], [{ host: "a", ...nothing, units: [unit] }]));
    await expect(run).rejects.toThrow(HoldfastError);
    const forgotten = asked.indexOf("rm -f -- /var/lib/holdfast/applied/q.service");
    expect(forgotten).toBeGreaterThanOrEqual(0);
    expect(forgotten).toBeLessThan(asked.findIndex((line) => line.startsWith("systemctl restart")));
    expect(asked.filter((line) => line.startsWith("write /var/lib/holdfast/applied"))).toEqual([]);
  });
});
