import { expect, test } from "vitest";
import { blueprint } from "../../../test/support/render.ts";
import { HostUnreachable } from "../../lib/errors.ts";
import type { Machine, RunResult } from "../../ports.ts";
import type { Attack, FaultContext } from "../fault.ts";
import {
  cannotFill,
  damageHost,
  dropPackets,
  fillDisk,
  killForGood,
  killUnits,
  powerOff,
  slowUnits,
  stopUnits,
  together,
} from "./damage.ts";

const done = (stdout = "", code = 0): RunResult => ({ code, stdout, stderr: "" });
const nothing = (): Promise<void> => Promise.resolve();

/**
 * A host that takes every order. With `obeys` false it does nothing of it: what asks whether the damage
 * shows then gets a no.
 */
class FakeHost implements Machine {
  readonly name = "m1";
  readonly address = "10.0.0.1";
  readonly scripts: string[] = [];
  readonly obeys: boolean;
  off = false;
  shows = "";
  #killed = false;
  constructor(obeys: boolean) {
    this.obeys = obeys;
  }

  run(argv: readonly string[], options: { stdin?: string | Uint8Array } = {}): Promise<RunResult> {
    const [command, verb] = argv;
    if (command === "sh") return Promise.resolve(this.#script(String(options.stdin)));
    if (command === "systemctl" && verb === "kill") this.#killed = this.obeys;
    if (command === "systemctl" && verb === "show")
      return Promise.resolve(done("Id=a.service\nMainPID=100\nInvocationID=x"));
    if (command === "cat")
      return Promise.resolve(done(this.#killed ? "" : `100 (a) S ${"0 ".repeat(18)}7 0\n`));
    return Promise.resolve(done());
  }

  #script(text: string): RunResult {
    if (!text.startsWith("set -eu")) return done("", this.obeys ? 0 : 1); // a question
    this.scripts.push(text);
    if (text.includes("SIGKILL")) this.#killed = this.obeys;
    return done();
  }

  state = () => Promise.resolve(this.off ? ("off" as const) : ("running" as const));
  powerOn = () => this.#power(false);
  powerOff = () => this.#power(this.obeys);
  #power(off: boolean): Promise<void> {
    this.off = off;
    return nothing();
  }
  pause = nothing;
  resume = nothing;
  cutLink = nothing;
  restoreLink = nothing;
}

const context: FaultContext = {
  topology: blueprint("privx-onprem"),
  machines: [],
  clients: null,
  deadMan: { watch: () => Promise.resolve(nothing) },
  renewEntryCertificate: nothing,
  upgrade: null,
};

const attacks: readonly (readonly [string, (host: Machine) => Promise<Attack> | Attack])[] = [
  ["killed", (host) => killUnits(host, ["a.service"])],
  ["killed for good", (host) => killForGood(host, ["a.service"])],
  ["stopped", (host) => stopUnits(host, ["a.service"])],
  ["slow", (host) => slowUnits(host, ["a.service"])],
  ["cut off", (host) => dropPackets(host, "VRRP", { input: ["ip protocol 112"] })],
  ["disk full", (host) => fillDisk(host, "/var")],
  ["off", (host) => powerOff(context, [host])],
  ["two things", async (host) => together([await killUnits(host, ["a.service"]), powerOff(context, [host])])],
];

test.concurrent.each(attacks)(
  "%s: seen when it happens, and seen when it does not",
  async (_, attack) => {
    for (const obeys of [true, false]) {
      const host = new FakeHost(obeys);
      const made = await attack(host);
      await made.inject();
      expect(await made.prove()).toMatchObject({ tookEffect: obeys });
      await made.heal();
      expect(host.off).toBe(false);
    }
  },
  30_000,
);

test("the host is told how to undo before anything is done to it, and undoes when it is healed", async () => {
  const host = new FakeHost(true);
  const attack = damageHost(host, {
    id: "x",
    inject: "break-it",
    undo: "mend-it",
    shows: "true",
    proof: "broken",
    healing: "mending",
  });
  await attack.inject();
  const [armed = "", injected = ""] = host.scripts;
  expect(armed).toContain("mend-it");
  expect(armed).toContain("systemd-run --quiet --collect --unit=holdfast-drill-x.service");
  expect(armed).not.toContain("break-it");
  expect(injected).toContain("break-it");
  await attack.heal();
  expect(host.scripts[2]).toContain("systemctl stop holdfast-drill-x.service");
});

test("an undo that fired while the drill lived is noticed, and so is a host that cannot be asked", async () => {
  const host = new FakeHost(true);
  const attack = together([stopUnits(host, ["a.service"])]);
  await attack.inject();
  expect(await attack.endedEarly?.()).toBeNull();
  const run = host.run.bind(host);
  host.run = (argv, options) =>
    argv[1] === "is-active" ? Promise.resolve(done("inactive", 3)) : run(argv, options);
  expect(await attack.endedEarly?.()).toContain("the undo fired early: m1 had not heard of the drill for");
  host.run = () => Promise.reject(new HostUnreachable("m1", "it is off"));
  expect(await attack.endedEarly?.()).toContain("the undo may have fired early");
  host.run = run;
  await attack.heal();
});

test("power that came back before the drill gave it is noticed", async () => {
  const host = new FakeHost(true);
  const attack = powerOff(context, [host]);
  await attack.inject();
  expect(await attack.endedEarly?.()).toBeNull();
  await host.powerOn();
  expect(await attack.endedEarly?.()).toContain("m1 had power again");
  await attack.heal();
});

test("a host that cannot be told how to undo is not broken", async () => {
  const host = new FakeHost(true);
  host.run = () => Promise.resolve(done("no systemd", 1));
  await expect(stopUnits(host, ["a.service"]).inject()).rejects.toThrow("m1: cannot arm the undo");
});

test("all parts of a combined fault are healed, also when one cannot be", async () => {
  const healed: string[] = [];
  const part = (target: string, fails: boolean): Attack => ({
    target,
    healing: `mending ${target}`,
    inject: nothing,
    prove: () => Promise.resolve({ tookEffect: true, proof: target }),
    heal: () => {
      healed.push(target);
      return fails ? Promise.reject(new Error("stuck")) : nothing();
    },
  });
  await expect(together([part("a", false), part("b", true)]).heal()).rejects.toThrow("stuck");
  expect(healed).toEqual(["b", "a"]);
});

test("only a small disk of its own is filled", async () => {
  const asked = (answer: string): Machine =>
    Object.assign(new FakeHost(true), { run: () => Promise.resolve(done(answer)) });
  expect(await cannotFill(asked("/ 270582939648\n"), "/var/lib")).toContain("shares with this host");
  expect(await cannotFill(asked(`/var ${4 * 1024 ** 3}\n`), "/var/lib")).toContain("larger than 2 GiB");
  expect(await cannotFill(asked("/var 67108864\n"), "/var/lib")).toBeNull();
});
