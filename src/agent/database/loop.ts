/**
 * The agent on a host of the database tier: feeds core/decide/lease with what happens and does what it
 * says. Nothing here waits: what takes time comes back as an event.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { leaseSettings } from "../../core/decide/lease/settings.ts";
import { startLease, step } from "../../core/decide/lease/step.ts";
import type { LeaseAction, LeaseEvent, LeaseSettings, LeaseState } from "../../core/decide/lease/types.ts";
import type { DatabaseConfig } from "../../core/engines/agent/config.ts";
import { logLine } from "../../core/engines/agent/log.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Reporter } from "../../ports.ts";
import type { Etcd } from "./etcd.ts";
import type { Gate } from "./gate.ts";
import type { Peers } from "./peers.ts";

export interface LoopParts {
  readonly gate: Pick<Gate, "open" | "close" | "silence" | "remove" | "block" | "unblock">;
  readonly etcd: Pick<Etcd, "read" | "writeRecord" | "revoke">;
  readonly peers: Pick<Peers, "send">;
  readonly reporter: Reporter;
}

/** ms, never going back; stands still while the machine is paused, as the kernel's own timeouts do. */
const now = (): number => performance.now();

export class LeaseLoop {
  readonly settings: LeaseSettings;
  readonly #config: DatabaseConfig;
  readonly #parts: LoopParts;
  readonly #incarnation: string;
  readonly #left = Promise.withResolvers<void>();
  #state: LeaseState;
  /** Gate actions happen one after the other, in the order in which they were decided. */
  #gateQueue: Promise<void> = Promise.resolve();
  #lastProblem = new Map<string, string>();

  /** @param armed whether a gate is there already */
  constructor(config: DatabaseConfig, armed: boolean, parts: LoopParts, incarnation = newIncarnation()) {
    this.#config = config;
    this.#parts = parts;
    this.#incarnation = incarnation;
    this.settings = leaseSettings(
      config.self,
      config.members.filter(({ data }) => data).map(({ name }) => name),
      config.members.map(({ name }) => name),
    );
    this.#state = startLease(this.settings, this.#incarnation, armed, now());
  }

  get state(): LeaseState {
    return this.#state;
  }

  /** Whether the kernel lets clients in here now, and this host is primary. */
  servesAsPrimary(): boolean {
    const { gate, postgres } = this.#state;
    const open = gate.admitted && gate.openUntil !== null && now() < gate.openUntil;
    return open && postgres.status === "primary" && postgres.silent < this.settings.hungAfter;
  }

  dispatch(event: LeaseEvent): void {
    const { state, actions } = step(this.settings, this.#state, event, now());
    this.#state = state;
    for (const action of actions) this.#perform(action);
  }

  /** Runs until `signal` aborts, and then until the others can do without this host. */
  async run(signal: AbortSignal): Promise<void> {
    const tick = setInterval(() => this.dispatch({ kind: "tick" }), this.settings.heartbeatMs / 2);
    this.dispatch({ kind: "tick" });
    try {
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
      this.dispatch({ kind: "leave" });
      const { leaveMs, requestMs } = this.settings;
      // Not referenced: the process ends when it has left, and not when this is over.
      await Promise.race([this.#left.promise, sleep(leaveMs + requestMs, undefined, { ref: false })]);
    } finally {
      clearInterval(tick);
      await this.#gateQueue;
    }
  }

  #perform(action: LeaseAction): void {
    const { etcd, gate, peers, reporter } = this.#parts;
    switch (action.kind) {
      case "send":
        return peers.send(action.to, action.message);
      case "gate":
        this.#gateQueue = this.#gateQueue.then(() => this.#attempt("gate", () => this.#moveGate(action)));
        return;
      case "read":
        return void this.#read(action.id);
      case "write-record":
        return void this.#write(action);
      case "revoke":
        return void this.#attempt("revoke", () => etcd.revoke(action.lease));
      case "block":
        return void this.#attempt("block", () => gate.block(this.#addressOf(action.host)));
      case "unblock":
        return void this.#attempt("unblock", () => gate.unblock(this.#addressOf(action.host)));
      case "log":
        return reporter.info(logLine(action.what, action.host));
      case "left":
        return this.#left.resolve();
    }
  }

  async #moveGate(action: Extract<LeaseAction, { readonly kind: "gate" }>): Promise<void> {
    const { gate } = this.#parts;
    if (action.gate === "open") {
      if (!(await gate.open(action.until))) this.#tell("gate", "the kernel got it late: closed again");
    } else if (action.gate === "closed") {
      await gate.close();
      const port = this.#config.postgres?.patroniPort;
      if (action.handsOver && port !== undefined) await this.#attempt("silence", () => gate.silence(port));
    } else await gate.remove();
    this.dispatch({ kind: "gate-done", id: action.id });
  }

  async #read(id: number): Promise<void> {
    const begunAt = now();
    let view = null;
    await this.#attempt("read", async () => {
      view = await this.#parts.etcd.read();
    });
    this.dispatch({ kind: "read", id, begunAt, view });
  }

  async #write(action: Extract<LeaseAction, { readonly kind: "write-record" }>): Promise<void> {
    let revision = null;
    await this.#attempt("write", async () => {
      revision = await this.#parts.etcd.writeRecord(action);
    });
    this.dispatch({ kind: "written", id: action.id, revision });
  }

  /** What fails is tried again when the state machine says so; the journal has it once. */
  async #attempt(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
      this.#lastProblem.delete(what);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#tell(what, error.message);
    }
  }

  #tell(what: string, problem: string): void {
    if (this.#lastProblem.get(what) === problem) return;
    this.#lastProblem.set(what, problem);
    this.#parts.reporter.warn(`database: ${what}: ${problem}`);
  }

  #addressOf(host: string): string {
    const member = this.#config.members.find(({ name }) => name === host);
    if (member === undefined) throw new Error(`${host} is no member`);
    return member.address;
  }
}

export const newIncarnation = (): string => randomBytes(8).toString("hex");
