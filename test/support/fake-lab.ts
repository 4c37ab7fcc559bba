/** A lab for drills without machines: what faults ask of hosts is answered, what they do is written down. */
import { HostUnreachable } from "../../src/lib/errors.ts";
import type { Machine, PowerState, RunResult } from "../../src/ports.ts";

const nothing = (): Promise<void> => Promise.resolve();

/** The machines of the blueprint, as far as faults look at them; the service itself is the real server. */
export class FakeLab {
  readonly off = new Set<string>();
  vipHolder: string | null = "lb1";
  /** systemd brings killed services back with a new pid. */
  pid = 100;
  killWorks = true;
  /** What the service lacks of full redundancy. */
  missing: string | null = null;
  /** Whether the machines may set the clock. */
  capabilities = "00000000fcecffff";
  linkUp = true;
  /** As Patroni is set up. */
  synchronous = true;
  readonly members = [{ name: "data1", role: "leader", state: "running", timeline: 3 }];
  readonly calls: string[] = [];
  readonly clients = {
    cutLink: () => this.#link(false),
    restoreLink: () => this.#link(true),
    linkIsUp: () => Promise.resolve(this.linkUp),
  };
  readonly #onLink: (up: boolean) => void;
  onKill = (): void => undefined;
  onPowerOff = (_name: string): void => undefined;

  constructor(onLink: (up: boolean) => void) {
    this.#onLink = onLink;
  }

  machine(name: string, address: string): Machine {
    return {
      name,
      address,
      state: (): Promise<PowerState> => Promise.resolve(this.off.has(name) ? "off" : "running"),
      powerOff: () => {
        this.off.add(name);
        this.onPowerOff(name);
        return nothing();
      },
      powerOn: () => {
        this.off.delete(name);
        return nothing();
      },
      run: (argv) => {
        if (this.off.has(name)) return Promise.reject(new HostUnreachable(name, "it is off"));
        this.calls.push(argv.join(" "));
        return Promise.resolve({ code: 0, stderr: "", ...this.answer(name, argv) });
      },
      pause: nothing,
      resume: nothing,
      cutLink: nothing,
      restoreLink: nothing,
    };
  }

  answer(name: string, argv: readonly string[]): Pick<RunResult, "stdout"> {
    const [command, verb] = argv;
    if (command === "systemctl" && verb === "kill") {
      if (this.killWorks) this.pid++;
      this.onKill();
      return { stdout: "" };
    }
    if (verb === "is-active") return { stdout: "active\n".repeat(argv.length - 2) };
    if (command === "systemctl")
      return {
        stdout: argv
          .slice(4)
          .map((unit) => this.#show(unit))
          .join("\n\n"),
      };
    if (argv.includes("/run/holdfast/entry-health")) return { stdout: "0\n" };
    if (command === "cat") {
      const alive = argv.includes(`/proc/${this.pid}/stat`);
      return { stdout: alive ? `${this.pid} (node (x) y) S ${"0 ".repeat(18)}4711 0\n` : "" };
    }
    if (command === "sh") return { stdout: `CapEff:\t${this.capabilities}\n` };
    if (argv.at(-1)?.endsWith("/config") === true)
      return { stdout: JSON.stringify({ synchronous_mode: this.synchronous }) };
    if (command === "curl") return { stdout: JSON.stringify({ members: this.members }) };
    if (command === "socat") return { stdout: "# pxname,svname,rate\napp,app1,9\napp,app2,3\n" };
    if (argv.includes("-o"))
      return { stdout: name === this.vipHolder ? "2: host0 inet 127.0.0.1/32 scope" : "" };
    const addresses = name === this.vipHolder ? ["127.0.0.1"] : [];
    return { stdout: JSON.stringify([{ addr_info: addresses.map((local) => ({ local })) }]) };
  }

  #link(up: boolean): Promise<void> {
    this.linkUp = up;
    this.#onLink(up);
    return nothing();
  }

  #show(unit: string): string {
    return [
      `Id=${unit}`,
      "ActiveState=active",
      `MainPID=${this.pid}`,
      `User=${unit === "role-store.service" ? "access-manager" : "root"}`,
      "Wants=role-store.service nginx.service",
    ].join("\n");
  }
}
