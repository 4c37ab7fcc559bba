/**
 * A database cluster as far as a restore touches it, to kill a restore at every point and see what
 * `up` would then bring back. A script of several effects is as many points.
 */
import {
  recordTransaction,
  exchangeScript,
  setAsideScript,
  syncQuestion,
} from "../../src/run/backup/cluster.ts";
import { prepareScript, recoverScript } from "../../src/run/backup/scratch.ts";
import type { Host, RunResult } from "../../src/ports.ts";

export class Killed extends Error {}

/** `newest` has every acknowledged write, `lagging` not; both are of the cluster that was there before. */
export type Data = "newest" | "lagging" | "restored" | "none";

interface HostState {
  patroni: boolean;
  enabled: boolean;
  data: Data;
  /** What lies in the restore's own directory, and whether it is marked as a copy. */
  work: { unfinished: boolean; data: Data | "copy" } | null;
  aside: Data[];
}

export interface ClusterStart {
  readonly hosts: Readonly<Record<string, Data>>;
  /** Hosts on which Patroni runs. */
  readonly running: boolean;
  /** Who leads or led last: the only one that etcd lets lead. */
  readonly sync: string;
  /** System id of the cluster that is there; the backups are of "7001". */
  readonly system: string;
}

const info = JSON.stringify([
  {
    name: "privx-onprem",
    db: [{ "system-id": 7001 }],
    archive: [{ max: "000000010000000000000007" }],
    backup: [
      {
        label: "20261120-100000F",
        type: "full",
        error: false,
        timestamp: { start: 1_795_168_790, stop: 1_795_168_800 },
        info: { size: 30_000_000 },
      },
    ],
  },
]);

export class FakeCluster {
  readonly states: ReadonlyMap<string, HostState>;
  readonly commands: string[] = [];
  /** Effects until whoever gives the commands is killed. */
  life = Number.POSITIVE_INFINITY;
  /** Rejects with Killed when that happens. */
  readonly killed: Promise<never>;
  #kill: (error: Error) => void = () => {};
  etcd: { system: string; sync: string };
  readonly #system: string;
  /** Set by a test: what fails. */
  fails: (argv: string) => boolean = () => false;

  constructor({ hosts, running, sync, system }: ClusterStart) {
    this.#system = system;
    this.killed = new Promise((_, reject) => (this.#kill = reject));
    this.killed.catch(() => {});
    this.etcd = { system, sync };
    this.states = new Map(
      Object.entries(hosts).map(([name, data]) => [
        name,
        { patroni: running, enabled: true, data, work: null, aside: [] },
      ]),
    );
  }

  get hosts(): ReadonlyMap<string, Host> {
    return new Map(
      [...this.states].map(([name, state]) => [
        name,
        {
          name,
          address: "10.77.10.31",
          run: async (argv, options) => {
            try {
              return this.#run(state, name, argv, String(options?.stdin ?? ""));
            } catch (error) {
              if (!(error instanceof Killed)) throw error;
              this.#kill(error);
              // Nobody is there any more to hear an answer.
              return new Promise(() => {});
            }
          },
        } satisfies Host,
      ]),
    );
  }

  /** What Patroni makes of it once it runs everywhere. @returns what the one that leads has; "none": nobody does */
  up(): Data {
    for (const state of this.states.values()) state.patroni = state.enabled = true;
    const leads = this.#leader();
    if (leads === undefined) return "none";
    for (const state of this.states.values()) if (state !== leads) state.data = leads.data;
    return leads.data;
  }

  #leader(): HostState | undefined {
    const state = this.states.get(this.etcd.sync);
    return state?.patroni === true && this.#systemOf(state.data) === this.etcd.system ? state : undefined;
  }

  #systemOf(data: Data): string {
    return data === "restored" ? "7001" : data === "none" ? "" : this.#system;
  }

  #effect(change: () => void): void {
    if (this.life <= 0) throw new Killed();
    this.life -= 1;
    change();
  }

  #run(state: HostState, name: string, argv: readonly string[], stdin: string): RunResult {
    const line = argv.join(" ");
    if (this.life <= 0) throw new Killed();
    this.commands.push(`${name}: ${line}`);
    if (this.fails(line)) return { code: 1, stdout: "", stderr: "it failed" };
    return { code: 0, stdout: this.#answer(state, argv, line, stdin), stderr: "" };
  }

  #answer(state: HostState, argv: readonly string[], line: string, stdin: string): string {
    if (line.includes("--output=json info")) return info;
    if (line.includes("pg_ls_archive_statusdir"))
      return this.#leader() === state ? `${this.#system} 0 0\n` : "";
    if (line.includes("/v3/kv/range")) return this.#sync(stdin);
    if (line.includes("--file-system")) return "1000000 4096\n";
    if (line.includes("pg_walfile_name")) return "7001 000000020000000000000007 2026-11-20T10:05:00.000Z\n";
    if (argv.includes(prepareScript)) this.#prepare(state);
    else if (line.includes("--type=none")) this.#copy(state);
    else if (argv.includes(recoverScript)) this.#recover(state);
    else if (argv.includes(exchangeScript)) this.#exchange(state);
    else if (argv.includes(setAsideScript)) this.#setAside(state);
    else if (line.includes("systemctl disable")) this.#effect(() => (state.patroni = state.enabled = false));
    else if (line.includes("systemctl enable")) this.#effect(() => (state.patroni = state.enabled = true));
    else if (line.includes("/v3/kv/txn")) return this.#record(stdin);
    else if (line.includes("/primary") && this.#leader() !== state) throw new Error("it does not lead");
    return "";
  }

  #prepare(state: HostState): void {
    const { work } = state;
    if (work !== null && !work.unfinished) this.#effect(() => state.aside.push(work.data as Data));
    this.#effect(() => (state.work = { unfinished: true, data: "none" }));
  }
  #copy({ work }: HostState): void {
    if (work === null) throw new Error("nothing was prepared");
    this.#effect(() => (work.data = "copy"));
  }
  #recover({ work }: HostState): void {
    if (work?.data !== "copy") throw new Error("there is no copy");
    this.#effect(() => (work.data = "restored"));
  }
  #exchange(state: HostState): void {
    const { work } = state;
    if (work?.data !== "restored" || state.patroni) throw new Error("nothing to exchange");
    this.#effect(() => (work.unfinished = false));
    this.#effect(() => {
      work.data = state.data;
      state.data = "restored";
    });
    this.#effect(() => {
      if (work.data !== "none") state.aside.push(work.data as Data);
      state.work = null;
    });
  }
  #setAside(state: HostState): void {
    if (state.patroni) throw new Error("its data is in use");
    this.#effect(() => {
      if (state.data !== "none") state.aside.push(state.data);
      state.data = "none";
    });
  }
  #sync(stdin: string): string {
    if (stdin !== syncQuestion("privx-onprem")) throw new Error(`no such question: ${stdin}`);
    const value = JSON.stringify({ leader: this.etcd.sync, sync_standby: null });
    return JSON.stringify({
      header: {},
      kvs: [{ value: Buffer.from(value).toString("base64") }],
      count: "1",
    });
  }
  #record(stdin: string): string {
    const leader = [...this.states.keys()].find(
      (name) => stdin === recordTransaction("privx-onprem", name, "7001"),
    );
    if (leader === undefined) throw new Error(`no such transaction: ${stdin}`);
    this.#effect(() => (this.etcd = { system: "7001", sync: leader }));
    return '{"header":{},"succeeded":true}';
  }
}
