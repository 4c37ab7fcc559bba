/** Three agents over real datagrams, with an etcd and gates of this test. */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import type { EtcdView, GateRecord, PostgresStatus } from "../../core/decide/lease/types.ts";
import type { DatabaseConfig } from "../../core/engines/agent/config.ts";
import { leaseReport } from "../../core/engines/agent/report.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { poll } from "../../lib/retry.ts";
import type { Etcd } from "./etcd.ts";
import { LeaseLoop, newIncarnation } from "./loop.ts";
import { Peers } from "./peers.ts";

/** A machine with nothing to spare is slow; nothing here is judged by time. */
const deadlineMs = 60_000;
const names = ["data1", "data2", "data3"];

/** etcd as far as the agents know it. */
class Store {
  leader: { host: string; lease: string } | null = { host: "data1", lease: "100" };
  switchover: string | null = null;
  readonly records: Record<string, GateRecord & { revision: string }> = {};
  readonly revoked: string[] = [];
  readonly cutOff = new Set<string>();
  #revision = 1;

  for(host: string): Pick<Etcd, "read" | "writeRecord" | "revoke"> {
    const reach = (): void => {
      if (this.cutOff.has(host)) throw new HoldfastError("cut off");
    };
    return {
      read: async (): Promise<EtcdView> => {
        reach();
        const leader = this.leader === null ? null : { ...this.leader, ttlMs: 19_000 };
        return { leader, switchover: this.switchover, records: structuredClone(this.records) };
      },
      writeRecord: async ({ host: about, record, revision, leaderLease }) => {
        reach();
        if ((this.records[about]?.revision ?? "0") !== revision) return null;
        if (leaderLease !== null && this.leader?.lease !== leaderLease) return null;
        const next = String(++this.#revision);
        this.records[about] = { ...record, revision: next };
        return next;
      },
      revoke: async (lease) => {
        reach();
        this.revoked.push(lease);
        if (this.leader?.lease === lease) this.leader = null;
      },
    };
  }
}

interface Host {
  readonly name: string;
  loop: LeaseLoop;
  readonly gate: { openUntil: number; loaded: boolean; readonly blocked: Set<string> };
  readonly stop: AbortController;
  ended: Promise<void>;
  postgres: PostgresStatus;
  readonly lines: string[];
  peers: Peers;
  probe: NodeJS.Timeout;
}

const hosts: Host[] = [];
afterEach(async () => {
  for (const host of hosts.splice(0)) {
    clearInterval(host.probe);
    host.peers.close();
    host.stop.abort();
  }
});

async function freePort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}

async function start(store: Store, name: string, port: number): Promise<Host> {
  const members = names.map((member, index) => ({
    name: member,
    address: `127.0.0.${index + 1}`,
    data: true,
  }));
  const config = { self: name, members } as unknown as DatabaseConfig;
  const incarnation = newIncarnation();
  const gate: Host["gate"] = { openUntil: 0, loaded: false, blocked: new Set() };
  const lines: string[] = [];
  const peers = await Peers.open({ self: name, members, port, incarnation, key: "k".repeat(32) }, (message) =>
    loop.dispatch({ kind: "message", message }),
  );
  const loop = new LeaseLoop(
    config,
    false,
    {
      peers,
      etcd: store.for(name),
      gate: {
        open: async (until) => {
          Object.assign(gate, { openUntil: until, loaded: true });
          return true;
        },
        close: async () => void Object.assign(gate, { openUntil: 0, loaded: true }),
        remove: async () => void Object.assign(gate, { loaded: false }),
        silence: async () => undefined,
        block: async (address) => void gate.blocked.add(address),
        unblock: async (address) => void gate.blocked.delete(address),
      },
      reporter: {
        info: (line) => lines.push(line),
        warn: (line) => lines.push(line),
        event: () => undefined,
        task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
      },
    },
    incarnation,
  );
  const stop = new AbortController();
  const host: Host = {
    name,
    loop,
    gate,
    stop,
    lines,
    peers,
    postgres: store.leader?.host === name ? "primary" : "replica",
    ended: loop.run(stop.signal),
    probe: setInterval(() => {
      const upstream = host.postgres === "replica" ? (store.leader?.host ?? null) : null;
      loop.dispatch({ kind: "postgres", begunAt: performance.now(), status: host.postgres, upstream });
    }, 50),
  };
  hosts.push(host);
  return host;
}

const isOpen = ({ gate }: Host): boolean => gate.loaded && gate.openUntil > performance.now();
const until = (what: string, probe: () => boolean): Promise<boolean> => poll(probe, { deadlineMs, what });

it(
  "arms, hands a silent primary over once it is fenced, and leaves in order",
  { timeout: 4 * deadlineMs },
  async () => {
    const store = new Store();
    const port = await freePort();
    const [one, two, three] = await Promise.all(names.map((name) => start(store, name, port)));
    if (one === undefined || two === undefined || three === undefined) throw new Error("three were started");
    await until("all gates to be open", () => [one, two, three].every(isOpen));
    await until("all records", () => names.every((name) => store.records[name]?.state === "open"));
    await until(
      "the others to know",
      () => two.loop.state.peers.find(({ name }) => name === "data1")?.gate === "open",
    );
    await until(
      "all to know",
      () => three.loop.state.peers.find(({ name }) => name === "data1")?.gate === "open",
    );
    await until("the primary to say so", () => one.loop.servesAsPrimary());
    await until("a replica to report", () => {
      const { mode, open, heard, dead } = leaseReport(two.loop.settings, two.loop.state, performance.now());
      return mode === "armed" && open && heard.join() === names.join() && dead.length === 0;
    });
    expect(two.loop.servesAsPrimary()).toBe(false);

    // data1's agent and network are gone; nobody closes its gate but its own time.
    one.peers.close();
    store.cutOff.add("data1");
    await until("its lease to be revoked", () => store.revoked.includes("100"));
    expect(isOpen(one)).toBe(false);
    expect(one.loop.servesAsPrimary()).toBe(false);
    expect(store.records["data1"]).toMatchObject({ state: "fenced", lease: "100" });
    expect(store.revoked.every((lease) => lease === "100")).toBe(true);
    await until("it to be blocked", () => two.gate.blocked.has("127.0.0.1"));
    for (const said of ["data1 is silent", "declared data1 dead"]) {
      expect([...two.lines, ...three.lines].join("\n")).toContain(said);
    }

    // Patroni's part: data2 takes over.
    two.postgres = "primary";
    store.leader = { host: "data2", lease: "200" };
    await until("data2 to serve", () => two.loop.servesAsPrimary());

    three.stop.abort();
    await three.ended;
    expect(three.gate.loaded).toBe(false);
    expect(store.records["data3"]?.state).toBe("unarmed");
  },
);
