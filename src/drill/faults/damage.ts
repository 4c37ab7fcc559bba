/** What faults are made of: processes killed, stopped or slowed, power and packets lost, files in the way. */
import { HoldfastError } from "../../lib/errors.ts";
import type { Host, Machine } from "../../ports.ts";
import type { Attack, FaultContext, Proof } from "../fault.ts";
import { guardedChange, quote, shell } from "../guard.ts";
import { allGone, identify } from "../processes.ts";
import { waitFor } from "../wait.ts";
import { mainPids } from "./systemd.ts";

/** What faults do shows within milliseconds; this is for a host that is slow to be asked. */
const PROOF_DEADLINE_MS = 5000;
const PROOF_INTERVAL_MS = 100;

/** Asks until the effect shows, or for 5 s. `missing` is null when it shows. */
export async function proveBy(words: string, missing: () => Promise<string | null>): Promise<Proof> {
  const limits = { deadlineMs: PROOF_DEADLINE_MS, intervalMs: PROOF_INTERVAL_MS };
  const still = await waitFor(missing, limits);
  return still === null
    ? { tookEffect: true, proof: words }
    : { tookEffect: false, proof: `not so: ${words} (${still})` };
}

const list = (units: readonly string[]): string => units.map(quote).join(" ");

/** kill -9 of every process of the units; systemd may start them again, and that is what is measured. */
export async function killUnits(host: Machine, units: readonly string[]): Promise<Attack> {
  const processes = await identify(host, await mainPids(host, units));
  return {
    target: host.name,
    healing: null,
    units: units.map((unit) => ({ host, unit })),
    async inject() {
      // One call for all of them: no service sees another die first.
      const { code, stderr } = await host.run(["systemctl", "kill", "--signal=SIGKILL", "--", ...units]);
      if (code !== 0) throw new HoldfastError(`${host.name}: systemctl kill failed: ${stderr.trim()}`);
    },
    prove: () =>
      processes.length === 0
        ? Promise.resolve({ tookEffect: false, proof: `${units.join(", ")} on ${host.name} had no process` })
        : proveBy(`${processes.length} processes of ${units.join(", ")} on ${host.name} are gone`, async () =>
            (await allGone(host, processes)) ? null : "processes are still there",
          ),
    heal: () => Promise.resolve(),
  };
}

export interface HostDamage {
  /** Unique among the faults that are open on the host. */
  readonly id: string;
  readonly inject: string;
  /** By level. */
  readonly undo: string;
  /** Shell condition that holds while the damage is there. */
  readonly shows: string;
  /** The proof in words, when it holds. */
  readonly proof: string;
  readonly healing: string;
}

/** A change of one host by shell scripts, undone by the host itself should the drill die. */
export function damageHost(host: Machine, damage: HostDamage): Attack {
  const change = guardedChange(host, damage);
  return {
    target: host.name,
    healing: damage.healing,
    inject: () => change.begin(),
    prove: () =>
      proveBy(`${damage.proof} on ${host.name}`, async () => {
        const { code } = await host.run(["sh", "-s"], { stdin: damage.shows, timeoutMs: 10_000 });
        return code === 0 ? null : "it does not show";
      }),
    endedEarly: () => change.endedEarly(),
    heal: () => change.end(),
  };
}

/** Killed, and kept from starting again. */
export async function killForGood(host: Machine, units: readonly string[]): Promise<Attack> {
  const names = list(units);
  const dead = damageHost(host, {
    id: "dead",
    inject: `systemctl mask --runtime --quiet -- ${names}\nsystemctl kill --signal=SIGKILL -- ${names}`,
    undo: `systemctl unmask --runtime --quiet -- ${names}\nsystemctl reset-failed -- ${names}\nsystemctl start -- ${names}`,
    shows: `! systemctl is-active --quiet -- ${names}`,
    proof: `${units.join(" and ")} dead and not restarted`,
    healing: `starting ${units.join(" and ")} again`,
  });
  const killed = await killUnits(host, units);
  return { ...dead, prove: () => proveAll([killed, dead]) };
}

/** Shell words for the processes of units: every process of their control groups. */
const pidsOf = (units: readonly string[]): string =>
  `$(systemctl show --property=MainPID --value -- ${list(units)} | grep -v '^0*$')`;

const allStopped = (pids: string): string =>
  `set -- ${pids}; [ $# -gt 0 ] || exit 1; for pid; do grep -q '^State:.T' "/proc/$pid/status" || exit 1; done`;

/** SIGSTOP: the processes keep their connections and ports, and answer nothing. */
export function stopUnits(host: Machine, units: readonly string[]): Attack {
  return damageHost(host, {
    id: "stopped",
    inject: `systemctl kill --signal=SIGSTOP -- ${list(units)}`,
    undo: `systemctl kill --signal=SIGCONT -- ${list(units)}`,
    shows: allStopped(pidsOf(units)),
    proof: `${units.join(" and ")} stopped (state T)`,
    healing: `SIGCONT to ${units.join(" and ")}`,
  });
}

/**
 * A tenth of the CPU: run for 10 ms of every 100, as a CPU quota does it. By signals, because a
 * container may have no CPU controller, and systemd then takes a quota without a word and without effect.
 */
export function slowUnits(host: Machine, units: readonly string[]): Attack {
  const unit = "holdfast-drill-throttle.service";
  const loop = 'while kill -STOP "$@"; do sleep 0.09; kill -CONT "$@"; sleep 0.01; done';
  return damageHost(host, {
    id: "slow",
    inject: `systemd-run --quiet --collect --unit=${unit} /bin/sh -c ${quote(loop)} sh ${pidsOf(units)}`,
    undo: `systemctl stop ${unit}\nsystemctl kill --signal=SIGCONT -- ${list(units)}`,
    shows: `systemctl is-active --quiet ${unit} && { ${allStopped(pidsOf(units))}; }`,
    proof: `${units.join(", ")} run for 10 ms of every 100 ms`,
    healing: `full speed for ${units.join(", ")}`,
  });
}

/**
 * Packets lost in silence on one host.
 * @param rules nftables matches per direction: "ip protocol 112"
 */
export function dropPackets(
  host: Machine,
  what: string,
  rules: { readonly input?: readonly string[]; readonly output?: readonly string[] },
): Attack {
  const chain = (hook: "input" | "output"): string => `  chain ${hook} {
    type filter hook ${hook} priority -300; policy accept;
${(rules[hook] ?? []).map((match) => `    ${match} counter drop\n`).join("")}  }
`;
  return damageHost(host, {
    id: "cut",
    inject: `nft -f - <<'END'\ntable inet holdfast_drill {\n${chain("input")}${chain("output")}}\nEND`,
    undo: "nft delete table inet holdfast_drill",
    shows: "nft list table inet holdfast_drill | grep -q 'packets [1-9]'",
    proof: `packets dropped: ${what}`,
    healing: `letting packets through: ${what}`,
  });
}

/** Hard power-off of all the machines at once. Their dead man is a process of this host. */
export function powerOff(context: FaultContext, machines: readonly Machine[]): Attack {
  const names = machines.map(({ name }) => name);
  let release: (() => Promise<void>) | undefined;
  return {
    target: names.join(", "),
    healing: `powering ${names.join(", ")} on`,
    async inject() {
      release = await context.deadMan.watch(names);
      await Promise.all(machines.map((machine) => machine.powerOff()));
    },
    async prove() {
      const states = await Promise.all(machines.map((machine) => machine.state()));
      const proof = names.map((name, index) => `${name} is ${states[index]}`).join(", ");
      return { tookEffect: states.every((state) => state === "off"), proof };
    },
    async endedEarly() {
      const states = await Promise.all(machines.map((machine) => machine.state()));
      const back = names.filter((_, index) => states[index] !== "off");
      return back.length === 0 ? null : `${back.join(", ")} had power again before the drill gave it`;
    },
    async heal() {
      await Promise.all(
        machines.map(async (machine) => {
          if ((await machine.state()) === "off") await machine.powerOn();
        }),
      );
      await release?.();
    },
  };
}

/** Several attacks as one: injected in order, healed in reverse. */
export function together(attacks: readonly Attack[]): Attack {
  const healings = attacks.flatMap(({ healing }) => healing ?? []);
  return {
    target: attacks.map(({ target }) => target).join(", "),
    healing: healings.length === 0 ? null : healings.join(", "),
    units: attacks.flatMap(({ units }) => units ?? []),
    async inject() {
      for (const attack of attacks) await attack.inject();
    },
    prove: () => proveAll(attacks),
    async endedEarly() {
      const early = await Promise.all(attacks.map(async (attack) => (await attack.endedEarly?.()) ?? null));
      return early.find((why) => why !== null) ?? null;
    },
    async heal() {
      const failures: unknown[] = [];
      for (const attack of attacks.toReversed()) {
        await attack.heal().catch((error: unknown) => failures.push(error)); // the others all the same
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}

/** The first that had no effect, or all proofs. */
async function proveAll(attacks: readonly Attack[]): Promise<Proof> {
  const proofs: string[] = [];
  for (const attack of attacks) {
    const proof = await attack.prove();
    if (!proof.tookEffect) return proof;
    proofs.push(proof.proof);
  }
  return { tookEffect: true, proof: proofs.join("; ") };
}

/**
 * Null, or why the file system of a path may not be filled: it must be one of its own, and of a size
 * that a drill can fill and empty in seconds.
 */
export async function cannotFill(host: Host, path: string): Promise<string | null> {
  const text = await shell(
    host,
    `findmnt --noheadings --bytes --output TARGET,SIZE --target ${quote(path)}`,
    `look at the disk of ${path}`,
  );
  const [mount = "/", size = "0"] = text.trim().split(/\s+/);
  if (mount === "/")
    return `${path} on ${host.name} is on the disk of its whole system, which a lab machine shares with this host`;
  return Number(size) > 2 * 1024 ** 3 ? `the disk of ${path} on ${host.name} is larger than 2 GiB` : null;
}

/** Fills the file system of a directory to the last block; only where `cannotFill` says null. */
export function fillDisk(host: Machine, directory: string): Attack {
  const filler = quote(`${directory}/.holdfast-drill-filler`);
  return damageHost(host, {
    id: "full",
    inject: `head --bytes=2G /dev/zero > ${filler} || true`,
    undo: `rm -f ${filler}`,
    shows: `[ "$(stat --file-system --format=%a ${quote(directory)})" -lt 16 ]`,
    proof: `no space left in ${directory}`,
    healing: `removing what fills ${directory}`,
  });
}
