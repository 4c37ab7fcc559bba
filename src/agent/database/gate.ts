/**
 * The kernel's side of the lease: what reaches this host's PostgreSQL and Patroni, and what comes from
 * hosts that a majority declared dead. Rendered tables (`core/engines/agent/gate.ts`), and sets in
 * them that change with the lease.
 */
import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { gateSet, gateTable, fenceSet, fenceTable, silentSet } from "../../core/engines/agent/gate.ts";
import { readIfExists, writeFileAtomic } from "../../lib/atomic.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { exec } from "../../lib/exec.ts";
import { Nft } from "./nft.ts";

/**
 * The kernel counts an element's timeout from when it gets it, which may be so much later than the
 * agent meant, ms; and in ticks of at most 10 ms. Taken off every timeout; if it took longer, closed again.
 */
export const GATE_SLACK_MS = 40;
const TICK_MS = 10;
/** Longer than an election, which gives a member 2 s to answer; much shorter than anything that needs this one. */
const SILENT_MS = 3000;

export interface GateFiles {
  /** Null on a witness. */
  readonly gate: {
    /** The table, closed: a complete nft file. */
    readonly file: string;
    /** Its presence makes a booting host load the gate before Patroni starts. */
    readonly marker: string;
  } | null;
  readonly fence: string;
}

/** All methods end, well or with an error, within about `requestMs` of being the only thing nft does. */
export class Gate {
  readonly #files: GateFiles;
  readonly #ports: readonly number[];
  readonly #requestMs: number;
  readonly #now: () => number;
  readonly #nft: Nft;
  readonly #exec: readonly string[];
  #marked = false;

  constructor(
    files: GateFiles,
    ports: readonly number[],
    options: {
      readonly requestMs: number;
      readonly now: () => number;
      /** For tests: how to run commands where the tables are. */
      readonly nft?: Nft;
      readonly exec?: readonly string[];
    },
  ) {
    this.#files = files;
    this.#ports = ports;
    this.#requestMs = options.requestMs;
    this.#now = options.now;
    this.#nft = options.nft ?? new Nft();
    this.#exec = options.exec ?? [];
  }

  /** Loads the fence's table, empty, and throws away what an earlier run left in it. */
  async start(): Promise<void> {
    await this.#apply([`include "${this.#files.fence}"`]);
  }

  /** The process ends: nothing that this agent fenced stays fenced. The gate stays as it is. */
  async stop(): Promise<void> {
    await this.#apply([`add table ${fenceTable}`, `delete table ${fenceTable}`]).catch(() => undefined);
    this.end();
  }

  /** Ends nft only. */
  end(): void {
    this.#nft.restart();
  }

  /** Whether a gate is there that an earlier run, or the boot, left. */
  async armed(): Promise<boolean> {
    const { gate } = this.#files;
    if (gate === null) return false;
    return (await this.#loaded()) || (await readIfExists(gate.marker)) !== null;
  }

  async #loaded(): Promise<boolean> {
    const { code } = await exec([...this.#exec, "nft", "list", "table", ...gateTable.split(" ")], {
      timeoutMs: 5000,
    });
    return code === 0;
  }

  /** @returns whether it was open when this returned; false when it took too long and was closed again */
  async open(until: number): Promise<boolean> {
    await this.#mark();
    const from = this.#now();
    const timeoutMs = Math.floor(until - from - GATE_SLACK_MS - TICK_MS);
    if (timeoutMs <= 0) {
      await this.close();
      return false;
    }
    const elements = this.#ports.map((port) => `${port} timeout ${timeoutMs}ms`).join(", ");
    // Adding an element that is there does not renew its timeout.
    await this.#change([flushed, `add element ${gateTable} ${gateSet} { ${elements} }`]);
    if (this.#now() - from <= GATE_SLACK_MS) return true;
    await this.close();
    return false;
  }

  async close(): Promise<void> {
    await this.#mark();
    await this.#change([flushed]);
  }

  /**
   * Who runs for primary asks every Patroni first, and one whose PostgreSQL is gone takes a second or two to say so.
   * For a moment nobody can ask: the kernel refuses new connections to the port, and then no more.
   */
  async silence(port: number): Promise<void> {
    const element = `${port} timeout ${SILENT_MS}ms`;
    await this.#apply([`add element ${fenceTable} ${silentSet} { ${element} }`]);
  }

  /** Plain Patroni: no table, also not after the next boot. */
  async remove(): Promise<void> {
    await rm(this.#own().marker, { force: true });
    this.#marked = false;
    await this.#apply([`add table ${gateTable}`, `delete table ${gateTable}`]);
  }

  /** Nothing goes to or comes from that host's PostgreSQL, Patroni and etcd; datagrams of agents do. */
  async block(address: string): Promise<void> {
    await this.#apply([`add element ${fenceTable} ${fenceSet} { ${address} }`]);
    // What waits for an answer of the dead would go on waiting: a blocked packet is only seen when one is sent.
    await exec([...this.#exec, "ss", "--kill", "--no-header", "dst", address], { timeoutMs: 5000 });
  }

  async unblock(address: string): Promise<void> {
    const set = `element ${fenceTable} ${fenceSet} { ${address} }`;
    await this.#apply([`add ${set}`, `delete ${set}`]);
  }

  /** Loads the table first where it is not there. */
  async #change(commands: readonly string[]): Promise<void> {
    await this.#apply(commands).catch(async (error: unknown) => {
      if (await this.#loaded()) throw error;
      await this.#apply([`include "${this.#own().file}"`, ...commands]);
    });
  }

  #own(): NonNullable<GateFiles["gate"]> {
    if (this.#files.gate === null) throw new Error("a witness has no gate");
    return this.#files.gate;
  }

  async #mark(): Promise<void> {
    if (this.#marked) return;
    await writeFileAtomic(this.#own().marker, "", 0o644);
    this.#marked = true;
  }

  async #apply(commands: readonly string[]): Promise<void> {
    const timer = new AbortController();
    const late = sleep(this.#requestMs, undefined, { signal: timer.signal }).then(() => {
      this.#nft.restart();
      throw new HoldfastError(`nft did not answer for ${this.#requestMs} ms`);
    });
    late.catch(() => undefined);
    await Promise.race([this.#nft.apply(commands), late]).finally(() => timer.abort());
  }
}

const flushed = `flush set ${gateTable} ${gateSet}`;
