import { startLease, step } from "../../../src/core/decide/lease/step.ts";
import { rules as safeRules, type Rules } from "../../../src/core/decide/lease/rules.ts";
import type {
  LeaseAction,
  LeaseEvent,
  LeaseSettings,
  LeaseState,
  Message,
  PostgresStatus,
} from "../../../src/core/decide/lease/types.ts";
import type { Simulation } from "../../support/simulation.ts";
import type { Etcd } from "./etcd.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import type { Patroni } from "./patroni.ts";
import type { Process } from "./process.ts";

const probeMs = 400;

/** A mistake to be caught: other rules, other settings, or an agent that performs actions wrongly. */
export interface Variant {
  readonly rules?: Partial<Rules>;
  readonly settings?: Partial<LeaseSettings>;
  readonly revokesByKey?: boolean;
  /** Reads from any etcd member, this far behind. */
  readonly staleReadsMs?: number;
  /** Not mistakes, but the world in which one shows soon: the share of what is sent that is late, and the faults. */
  readonly slow?: number;
  readonly faults?: readonly string[];
  /** Puts records without comparing. */
  readonly putsBlindly?: boolean;
}

export interface AgentWorld {
  readonly world: Simulation;
  readonly network: Network;
  readonly etcd: Etcd;
  readonly variant: Variant;
  agent(name: string): Agent;
  /** The kernel's gate may have opened. */
  gateChanged(host: Host): void;
  left(agent: Agent): void;
}

/** The shell around `step` as a host's agent has it. */
export class Agent {
  readonly host: Host;
  readonly process: Process;
  readonly settings: LeaseSettings;
  readonly #at: AgentWorld;
  readonly #patroni: Patroni | null;
  readonly #rules: Rules;
  readonly #helper: Process;
  #starts = 0;
  #kernelBusyUntil = 0;
  state: LeaseState | null = null;

  constructor(at: AgentWorld, host: Host, patroni: Patroni | null, settings: LeaseSettings) {
    this.#at = at;
    this.host = host;
    this.#patroni = patroni;
    this.process = host.process();
    this.#helper = host.process();
    this.settings = { ...settings, ...at.variant.settings };
    this.#rules = { ...safeRules, ...at.variant.rules };
  }

  start(): void {
    if (this.process.running || !this.host.up) return;
    this.process.start();
    this.process.run(() => this.#begin());
  }

  #begin(): void {
    const incarnation = `${this.host.name}.${++this.#starts}`;
    this.state = startLease(
      this.settings,
      incarnation,
      this.host.table || this.host.marker,
      this.host.clock(),
    );
    this.#tick();
    if (this.#patroni !== null)
      this.process.after(this.#at.world.random.between(0, probeMs), () => this.#probe());
  }

  stop(): void {
    this.process.kill();
    this.state = null;
    this.#helper.kill();
    this.#helper.start();
    this.#helper.after(this.settings.releaseMs, () => this.#release());
  }

  /** holdfast-gate-release: what src/agent/database/release.ts does for a host whose agent stays dead. */
  #release(): void {
    const postgres = this.#patroni?.postgres;
    if (this.process.running || !this.host.table || postgres === undefined) return;
    const { etcd } = this.#at;
    this.#helper.after(1000, () => this.#release());
    const begunAt = this.host.clock();
    const view = { begunAt, endedAt: begunAt, leaderSince: begunAt };
    etcd.request(
      this.host,
      () => etcd.view(),
      (read) =>
        this.#helper.run(() => {
          const probe = { status: this.#status(), upstream: postgres.streamsFrom, begunAt, silent: 0 };
          const known = startLease(this.settings, "helper", true, begunAt);
          const state = { ...known, postgres: probe, view: { ...view, etcd: read } };
          const lease = read.leader?.host === this.host.name ? read.leader.lease : null;
          if (this.process.running || !this.#rules.mayServe(this.settings, state, begunAt)) return;
          const { name } = this.host;
          etcd.request(
            this.host,
            () =>
              etcd.writeRecord(name, { state: "unarmed", lease }, read.records[name]?.revision ?? "0", lease),
            (written) =>
              this.#helper.run(() => {
                if (written === null || this.process.running) return;
                this.#at.world.trace(`${name} released`);
                this.host.removeGate();
                this.#at.gateChanged(this.host);
              }),
          );
        }),
    );
  }

  leave(): void {
    this.process.run(() => this.#handle({ kind: "leave" }));
  }

  readonly #tick = (): void => {
    this.#handle({ kind: "tick" });
    this.process.after(this.settings.heartbeatMs / 2, this.#tick);
  };

  #receive(message: Message): void {
    if (!this.host.up) return;
    if (this.process.awake) this.#handle({ kind: "message", message });
    else this.process.run(() => this.#handle({ kind: "message", message }));
  }

  #handle(event: LeaseEvent): void {
    if (this.state === null) return;
    const { state, actions } = step(this.settings, this.state, event, this.host.clock(), this.#rules);
    this.state = state;
    for (const action of actions) this.#perform(action);
  }

  #probe(): void {
    const begunAt = this.host.clock();
    const status = this.#status();
    const upstream = this.#patroni?.postgres.streamsFrom ?? null;
    const { random } = this.#at.world;
    const takes = status === "silent" ? 300 : random.chance(0.01) ? random.between(50, 300) : 2;
    this.process.after(takes, () => {
      this.#handle({ kind: "postgres", begunAt, status, upstream });
    });
    if (this.#patroni?.failsafe === true && this.#patroni.process.running && !this.#patroni.process.stopped) {
      this.process.after(2, () => this.#handle({ kind: "failsafe", begunAt }));
    }
    this.process.after(probeMs, () => this.#probe());
  }

  #status(): PostgresStatus {
    const postgres = this.#patroni?.postgres;
    if (postgres === undefined) return "stopped";
    if (postgres.state !== "running") return postgres.state;
    return postgres.hung ? "silent" : postgres.role;
  }

  #perform(action: LeaseAction): void {
    const { world, network, etcd, variant } = this.#at;
    switch (action.kind) {
      case "send": {
        const to = this.#at.agent(action.to);
        const { message } = action;
        network.datagram(this.host, to.host, () => to.#receive(message));
        return;
      }
      case "gate":
        return this.#gate(action);
      case "read": {
        const begunAt = this.host.clock();
        const { id } = action;
        etcd.request(
          this.host,
          () => (variant.staleReadsMs === undefined ? etcd.view() : etcd.staleView(variant.staleReadsMs)),
          (view) => this.process.run(() => this.#handle({ kind: "read", id, begunAt, view })),
        );
        return;
      }
      case "write-record": {
        const { id, host, record, revision, leaderLease } = action;
        etcd.request(
          this.host,
          () =>
            variant.putsBlindly === true
              ? etcd.putRecord(host, record)
              : etcd.writeRecord(host, record, revision, leaderLease),
          (written) => this.process.run(() => this.#handle({ kind: "written", id, revision: written })),
        );
        return;
      }
      case "revoke":
        etcd.request(
          this.host,
          () => (variant.revokesByKey === true ? etcd.revokeLeader() : etcd.revoke(action.lease)),
          () => {},
        );
        return;
      case "block":
        this.host.blocks.add(action.host);
        return;
      case "unblock":
        this.host.blocks.delete(action.host);
        return;
      case "left":
        this.#at.left(this);
        return;
      case "log":
        world.trace(`${this.host.name} ${action.what} ${action.host}`);
    }
  }

  /** One command after the other; the kernel answers in milliseconds, seldom much later. */
  #gate(action: Extract<LeaseAction, { readonly kind: "gate" }>): void {
    const { world } = this.#at;
    const { random } = world;
    const takes = random.chance(0.005) ? random.between(20, 300) : 1;
    this.#kernelBusyUntil = Math.max(this.#kernelBusyUntil, world.now + takes);
    this.process.after(this.#kernelBusyUntil - world.now, () => {
      if (action.gate === "open") this.host.openGate(action.until);
      else if (action.gate === "closed") {
        this.host.closeGate();
        if (action.handsOver) this.host.silentUntil = world.now + 3000;
      } else this.host.removeGate();
      this.#at.gateChanged(this.host);
      this.#handle({ kind: "gate-done", id: action.id });
    });
  }
}
