/** The address loop of the agent: the pure controller (core/decide/address), fed and obeyed. */
import { setTimeout as sleep } from "node:timers/promises";
import { defaultSettings } from "../core/decide/address/defaults.ts";
import { isAt } from "../core/decide/address/judge.ts";
import { initialState, step } from "../core/decide/address/step.ts";
import type {
  ControllerAction,
  ControllerEvent,
  ControllerSettings,
  ControllerState,
  Holder,
  ProbeResult,
} from "../core/decide/address/types.ts";
import type { AddressConfig } from "../core/engines/agent/config.ts";
import type { Ec2 } from "../cloud/ec2.ts";
import type { InstanceIdentity } from "../cloud/imds.ts";
import { readIfExists, writeFileAtomic } from "../lib/atomic.ts";
import type { Reporter } from "../ports.ts";
import { failureOf, holderOf } from "./address-calls.ts";
import { AddressStatus } from "./address-status.ts";
import { listeningPort } from "./listening.ts";
import { answerPeers, type PeerAnswer } from "./peer.ts";
import { probeHolder } from "./probe-holder.ts";
import { resolvePeers } from "./resolve-peers.ts";
import { VrrpRole, type RoleSource } from "./vrrp.ts";
import type { Witness } from "./witness.ts";

const defaultPorts = [443, 80];
const SETTLE_LOOK_MS = 500;

export interface AddressParts {
  readonly ec2: Ec2;
  readonly identity: InstanceIdentity;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
  /** Default: keepalived's. */
  readonly roles?: (onRole: () => void) => RoleSource;
  readonly witness?: (onChange: () => void) => Witness;
}

type Event = ControllerEvent extends infer E
  ? E extends ControllerEvent
    ? Omit<E, "random">
    : never
  : never;

/**
 * Keeps this host's addresses where they should be until `signal` aborts. Every action of the controller
 * is answered by exactly one event; an error of a part is told and the loop goes on.
 */
export class AddressLoop {
  readonly #config: AddressConfig;
  readonly #parts: AddressParts;
  readonly #settings: ControllerSettings;
  readonly #vrrp: RoleSource;
  readonly #witness: Witness | undefined;
  readonly #status: AddressStatus;
  /** Public addresses by allocation id, learned from descriptions: what the holder is asked through. */
  readonly #publicIps = new Map<string, string>();
  #state: ControllerState;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #ended = false;
  /** As last written to the away file. */
  #away: boolean | undefined;
  #peers: readonly string[];

  constructor(config: AddressConfig, parts: AddressParts) {
    this.#config = config;
    this.#parts = parts;
    this.#settings = settingsOf(config, parts.identity);
    this.#state = initialState(this.#settings, performance.now());
    this.#peers = config.peers.flatMap(({ address }) => address ?? []);
    this.#status = new AddressStatus(config.statusFile, parts.reporter);
    const onRole = (): void => void this.#observed();
    const { reporter, roles = (onRole) => keepalivedRole(config, reporter, onRole) } = parts;
    this.#vrrp = roles(onRole);
    this.#witness = parts.witness?.(onRole);
  }

  /** Runs until `signal` aborts, or until this host has had nothing to do for `settledMs`. */
  async run(settledMs = Infinity): Promise<void> {
    const { reporter, signal: outer, identity } = this.#parts;
    const done = new AbortController();
    const signal = AbortSignal.any([outer, done.signal]);
    const { peerPort } = this.#config;
    const own = (): PeerAnswer | null => this.#peerAnswer();
    const { privateAddress: address } = identity;
    try {
      this.#dispatch({ kind: "tick" });
      await Promise.all([
        this.#vrrp.follow(signal),
        this.#witness?.run(signal),
        answerPeers({ address, port: peerPort, peers: () => this.#peers, own, signal, reporter }),
        this.#findPeers(signal),
        this.#untilSettled(settledMs, signal).then(() => done.abort()),
      ]);
    } finally {
      this.#ended = true;
      clearTimeout(this.#timer);
      done.abort();
      await Promise.allSettled([this.#writing, this.#status.written()]);
    }
  }

  async #findPeers(signal: AbortSignal): Promise<void> {
    this.#peers = await resolvePeers(this.#config.peers, { ...this.#parts, signal });
  }

  async #untilSettled(settledMs: number, signal: AbortSignal): Promise<void> {
    let since = performance.now();
    let roleBefore: string | undefined;
    while (!signal.aborted && performance.now() - since < settledMs) {
      await sleep(SETTLE_LOOK_MS, undefined, { signal }).catch(() => undefined);
      const role = this.#state.observed?.role;
      if (role !== roleBefore || !this.#isSettled()) since = performance.now();
      roleBefore = role;
    }
  }

  /** Only a master has something to do: nobody pushes an address away. */
  #isSettled(): boolean {
    const { observed } = this.#state;
    return observed?.role === "master" ? this.#isHere() : observed !== null;
  }

  #isHere(): boolean {
    return this.#state.addresses.every(({ view }, index) => {
      const own = this.#settings.addresses[index];
      return own !== undefined && isAt(own.target, view?.holder);
    });
  }

  /** After a split, whom clients were served by should be master: the address need not move then. */
  async #showAway(): Promise<void> {
    const { awayFile } = this.#config;
    const away = !this.#isHere();
    if (
      awayFile === undefined ||
      away === this.#away ||
      this.#state.addresses.some(({ view }) => view === null)
    )
      return;
    this.#away = away;
    await this.#write(awayFile, away ? "1\n" : "0\n").catch((error: unknown) => {
      this.#away = undefined;
      this.#parts.reporter.warn((error as Error).message);
    });
  }

  #dispatch(event: Event): void {
    if (this.#ended) return;
    const now = performance.now();
    const { state, actions } = step(this.#settings, this.#state, { ...event, random: Math.random() }, now);
    const roleBefore = this.#state.observed?.role;
    this.#state = state;
    const role = state.observed?.role;
    if (role !== roleBefore) this.#parts.reporter.info(`VRRP: this host is ${role ?? "unknown"}`);
    // Synchronously begun: nothing comes between the decision and the deed.
    for (const action of actions) void this.#perform(action);
    this.#status.show(state, this.#settings, this.#publicIps);
    void this.#showAway();
    clearTimeout(this.#timer);
    // setTimeout takes no more than 24 days; the controller wakes up much more often than each minute.
    const wait = Math.min(60_000, Math.max(1, Math.ceil(state.wakeAt - performance.now())));
    this.#timer = setTimeout(() => this.#dispatch({ kind: "tick" }), wait);
  }

  async #perform(action: ControllerAction): Promise<void> {
    try {
      switch (action.kind) {
        case "observe":
          await this.#vrrp.look();
          return;
        case "write-state-file":
          await this.#write(this.#config.stateFile, `STATE=${action.state}\n`);
          return;
        case "set-fit":
          if (!action.fit) this.#parts.reporter.warn(`this host gives the address away: ${action.why}`);
          await this.#write(this.#config.fitFile, action.fit ? "0\n" : "1\n");
          return;
        case "announce":
          this.#parts.reporter.info(`${this.#name(action.address)} is here`);
          return;
        case "alarm":
          // A refused call has been told already, with what to do.
          if (action.message !== this.#status.lastFailure)
            this.#parts.reporter.warn(`${this.#name(action.address)}: ${action.message}`);
          return;
        case "probe":
          this.#dispatch({ kind: "probed", call: action.call, ...(await this.#probe(action)) });
          return;
        case "describe":
        case "associate":
        case "disassociate":
          this.#dispatch(await this.#call(action));
          return;
      }
    } catch (error) {
      this.#parts.reporter.warn(`${action.kind}: ${(error as Error).message}`);
    }
  }

  /** One after the other: what is decided last is what is read in the end. */
  async #write(path: string, content: string): Promise<void> {
    const before = this.#writing;
    this.#writing = (async () => {
      await before.catch(() => undefined);
      await writeFileAtomic(path, content, 0o644);
    })();
    await this.#writing;
  }

  async #call(
    action: Extract<ControllerAction, { kind: "describe" | "associate" | "disassociate" }>,
  ): Promise<Event> {
    const { call, address, startBy, timeoutMs: deadlineMs } = action;
    const { ec2, reporter } = this.#parts;
    const start = performance.now();
    if (start > startBy) return { kind: "failed", call, reason: "not-sent", message: "decided too long ago" };
    const took = (): string => `${Math.round(performance.now() - start)} ms`;
    try {
      if (action.kind === "describe") {
        const found = await ec2.describeAddress(address, { deadlineMs });
        if (found.publicIp !== undefined) this.#publicIps.set(address, found.publicIp);
        return {
          kind: "described",
          call,
          holder: holderOf(found),
          associationId: found.associationId ?? null,
        };
      }
      if (action.kind === "disassociate") {
        await ec2.disassociateAddress(action.associationId, { deadlineMs });
        reporter.info(`${this.#name(address)}: disassociated (${action.associationId}, ${took()})`);
        return { kind: "disassociated", call };
      }
      const { target, allowReassociation } = action;
      const associationId = await ec2.associateAddress(
        { allocationId: address, target, allowReassociation },
        { deadlineMs },
      );
      reporter.info(`${this.#name(address)}: associated with this host (${associationId}, ${took()})`);
      return { kind: "associated", call, associationId };
    } catch (error) {
      const { reason, message } = failureOf(error);
      this.#status.failed(message, reporter);
      return { kind: "failed", call, reason, message };
    }
  }

  async #probe(action: Extract<ControllerAction, { kind: "probe" }>): Promise<ProbeResult> {
    const { ec2 } = this.#parts;
    const publicIp = this.#publicIps.get(action.address);
    const port = this.#config.probePort ?? (await listeningPort(defaultPorts));
    const url = new URL(ec2.origin);
    const stateOf = async (id: string, deadlineMs: number): Promise<string> => {
      const [found] = await ec2.describeInstances({ ids: [id] }, { deadlineMs });
      return found?.state ?? "terminated";
    };
    const { holder } = action;
    const result = await probeHolder({
      holder,
      service: publicIp === undefined || port === null ? null : { host: publicIp, port },
      reference: { host: url.hostname, port: Number(url.port) || (url.protocol === "https:" ? 443 : 80) },
      peers: this.#peers,
      peerPort: this.#config.peerPort,
      instanceState: action.askInstance ? stateOf : null,
      timeoutMs: action.timeoutMs,
    });
    const told = `service ${result.service}, agent ${result.peer}, instance ${result.instance}`;
    this.#status.probed(`the holder ${holderName(holder)}: ${told}`, this.#parts.reporter);
    return result;
  }

  async #observed(): Promise<void> {
    const { healthFile } = this.#config;
    // What cannot be read is as keepalived takes it: healthy. The entry loop writes it anew.
    const health = healthFile === undefined ? null : await readIfExists(healthFile).catch(() => null);
    const healthy = health === null || health.trim() === "0";
    const { role } = this.#vrrp;
    this.#witness?.want(role === "master" && healthy);
    this.#dispatch({ kind: "observed", role, healthy, lease: this.#witness?.lease ?? "none" });
  }

  /** A host without keepalived is no master, which the peer may know. */
  #peerAnswer(): PeerAnswer | null {
    const { role, keepalivedLives } = this.#vrrp;
    const { instanceId } = this.#parts.identity;
    if (role !== "unknown") return { role, instanceId };
    return keepalivedLives || this.#state.observed === null ? null : { role: "fault", instanceId };
  }

  #name(allocationId: string): string {
    const publicIp = this.#publicIps.get(allocationId);
    return publicIp === undefined ? allocationId : `${publicIp} (${allocationId})`;
  }
}

function keepalivedRole(config: AddressConfig, reporter: Reporter, onRole: () => void): RoleSource {
  const { vrrp, notifyFifo } = config;
  return new VrrpRole({ instance: vrrp.instance, fifo: vrrp.fifo, notifyFifo, reporter, onRole });
}

const holderName = (holder: Holder | null): string =>
  holder?.instanceId ?? holder?.networkInterfaceId ?? "(nobody)";

function settingsOf(config: AddressConfig, { instanceId }: InstanceIdentity): ControllerSettings {
  return defaultSettings(
    config.addresses.map(({ allocationId, networkInterfaceId, privateIpAddress }) => ({
      id: allocationId,
      target: {
        instanceId,
        networkInterfaceId: networkInterfaceId ?? null,
        privateAddress: privateIpAddress ?? null,
      },
      canReassociate: true,
    })),
    config.witness?.required === true ? "strict" : "fast",
  );
}
