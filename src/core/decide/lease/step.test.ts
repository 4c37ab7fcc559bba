import { describe, expect, it } from "vitest";
import { leaseMembers, leaseSettings } from "./settings.ts";
import { startLease, step } from "./step.ts";
import type { EtcdView, LeaseAction, LeaseEvent, LeaseState, Message } from "./types.ts";

const names = ["a", "b", "c"];

/** One host's machine, with what it did last. */
class Machine {
  readonly settings;
  state: LeaseState;
  now: number;
  actions: LeaseAction[] = [];

  constructor(self: string, now = 10_000, armed = false) {
    this.settings = leaseSettings(self, names, names);
    this.now = now;
    this.state = startLease(this.settings, `${self}.1`, armed, now);
  }

  give(event: LeaseEvent): readonly LeaseAction[] {
    const { state, actions } = step(this.settings, this.state, event, this.now);
    this.state = state;
    this.actions.push(...actions);
    return actions;
  }

  tick(milliseconds: number): void {
    for (let passed = 0; passed < milliseconds; passed += 40) {
      this.now += 40;
      this.give({ kind: "tick" });
    }
  }

  of<Kind extends LeaseAction["kind"]>(kind: Kind): Extract<LeaseAction, { kind: Kind }>[] {
    return this.actions.filter(
      (action): action is Extract<LeaseAction, { kind: Kind }> => action.kind === kind,
    );
  }

  hear(from: string, sequence: number, gate: "open" | "closed" | "failed" = "open"): readonly LeaseAction[] {
    return this.give({
      kind: "message",
      message: { kind: "heartbeat", from, incarnation: `${from}.1`, sequence, gate, revision: "7" },
    });
  }

  /** Whoever is asked grants the newest heartbeat. */
  granted(from: string, verdict: "granted" | "dead" = "granted"): void {
    const { sequence, incarnation } = this.state;
    this.give({ kind: "message", message: { kind: "ack", from, incarnation, sequence, verdict } });
  }

  answerRead(view: EtcdView, begunAt = this.now): void {
    const read = this.of("read").at(-1);
    if (read === undefined) throw new Error("nothing was read");
    this.give({ kind: "read", id: read.id, begunAt, view });
  }

  doGate(): void {
    const gate = this.of("gate").at(-1);
    if (gate !== undefined) this.give({ kind: "gate-done", id: gate.id });
  }

  messages<Kind extends Message["kind"]>(kind: Kind): Extract<Message, { kind: Kind }>[] {
    return this.of("send")
      .map(({ message }) => message)
      .filter((message): message is Extract<Message, { kind: Kind }> => message.kind === kind);
  }
}

const leads = (host: string, lease = "100", records: EtcdView["records"] = {}): EtcdView => ({
  leader: { host, lease, ttlMs: 19_000 },
  switchover: null,
  records,
});

const open = { state: "open", lease: null, revision: "7" } as const;

/** The primary `a` with its gate in the kernel and its record written. */
function servingPrimary(): Machine {
  const machine = new Machine("a");
  machine.give({ kind: "tick" });
  machine.answerRead(leads("a"));
  machine.give({ kind: "postgres", begunAt: machine.now, status: "primary", upstream: null });
  machine.hear("b", 1);
  machine.granted("b");
  machine.doGate();
  const write = machine.of("write-record").at(-1);
  if (write === undefined) throw new Error("no record");
  machine.give({ kind: "written", id: write.id, revision: "7" });
  return machine;
}

describe("who votes", () => {
  it.each([
    [
      ["a", "b"],
      ["a", "b", "w"],
      ["a", "b", "w"],
    ],
    [
      ["a", "b", "c"],
      ["a", "b", "c"],
      ["a", "b", "c"],
    ],
    [
      ["a", "b", "c", "d", "e"],
      ["a", "b", "c"],
      ["a", "b", "c", "d", "e"],
    ],
    [["a"], ["a", "b", "c"], null],
    [["a", "b"], ["a"], null],
  ])("data hosts %j, coordination %j: %j", (data, coordination, members) => {
    expect(leaseMembers(data, coordination)).toEqual(members);
  });
});

describe("the lease and the gate", () => {
  it("is armed without an interruption: first a majority and the lead, then the table, then the record", () => {
    const machine = servingPrimary();
    const kinds = machine.actions
      .map(({ kind }) => kind)
      .filter((kind) => kind === "gate" || kind === "write-record");
    expect(kinds).toEqual(["gate", "write-record"]);
    expect(machine.of("gate")[0]).toMatchObject({ gate: "open", until: 10_800 });
    expect(machine.of("write-record")[0]).toMatchObject({
      host: "a",
      record: { state: "open", lease: "100" },
      revision: "0",
      leaderLease: "100",
    });
  });

  it("counts from when the heartbeat was sent", () => {
    const machine = servingPrimary();
    machine.tick(80);
    const sentAt = machine.state.sentAt ?? 0;
    machine.now += 300;
    machine.granted("c");
    expect(machine.of("gate").at(-1)).toMatchObject({ gate: "open", until: sentAt + 800 });
  });

  it("is closed when nobody grants, and no late acknowledgement opens it", () => {
    const machine = servingPrimary();
    machine.tick(840);
    expect(machine.of("gate").at(-1)?.gate).toBe("closed");
    machine.doGate();
    machine.actions = [];
    machine.granted("b");
    machine.tick(40);
    expect(machine.of("gate")).toEqual([]);
  });

  it("opens again only by a record written after a read that began after the lapse", () => {
    const machine = servingPrimary();
    const lapsed = machine.now + 900;
    machine.tick(1000);
    machine.doGate();
    machine.granted("b");
    machine.give({ kind: "postgres", begunAt: machine.now, status: "primary", upstream: null });
    machine.answerRead(leads("a", "100", { a: open }), lapsed);
    expect(machine.of("write-record")).toHaveLength(1);
    machine.actions = [];
    machine.tick(200);
    machine.granted("b");
    machine.answerRead(leads("a", "100", { a: open }));
    const [write] = machine.of("write-record");
    expect(write).toMatchObject({ host: "a", revision: "7", leaderLease: "100" });
    expect(machine.of("gate")).toEqual([]);
    machine.give({ kind: "written", id: write?.id ?? 0, revision: "8" });
    expect(machine.of("gate").at(-1)?.gate).toBe("open");
  });

  it("does not open under a fenced lease, and closes when it reads that it was fenced", () => {
    const machine = servingPrimary();
    machine.tick(80);
    machine.granted("b");
    machine.now += 1000;
    machine.give({ kind: "tick" });
    machine.granted("b");
    machine.give({ kind: "postgres", begunAt: machine.now, status: "primary", upstream: null });
    machine.actions = machine.actions.filter(({ kind }) => kind === "read");
    machine.tick(80);
    machine.granted("b");
    machine.answerRead(leads("a", "100", { a: { state: "fenced", lease: "100", revision: "8" } }));
    machine.granted("b");
    expect(machine.of("write-record")).toEqual([]);
    expect(machine.of("revoke")[0]?.lease).toBe("100");
  });

  it("closes when a majority called it dead, whatever its clock says", () => {
    const machine = servingPrimary();
    machine.tick(80);
    machine.granted("b", "dead");
    expect(machine.of("gate").at(-1)?.gate).toBe("closed");
  });

  it("closes before the leader key can have expired, when Patroni does not renew it", () => {
    const machine = servingPrimary();
    machine.tick(80);
    machine.granted("b");
    machine.actions = machine.actions.filter(({ kind }) => kind === "read");
    machine.tick(1000);
    machine.granted("b");
    machine.answerRead({
      leader: { host: "a", lease: "100", ttlMs: 3000 },
      switchover: null,
      records: { a: open },
    });
    machine.tick(80);
    expect(machine.of("gate").at(-1)?.gate).toBe("closed");
  });

  it("of a replica opens only when it follows the leader", () => {
    const machine = new Machine("a", 10_000, true);
    machine.tick(80);
    machine.hear("b", 1);
    machine.granted("b");
    machine.answerRead(leads("b", "100", { a: open }));
    machine.give({ kind: "postgres", begunAt: machine.now, status: "replica", upstream: null });
    expect(machine.of("write-record")).toEqual([]);
    machine.give({ kind: "postgres", begunAt: machine.now, status: "replica", upstream: "b" });
    expect(machine.of("write-record")).toHaveLength(1);
  });
});

describe("who is dead", () => {
  /** `b`, well established: heard from `a` and `c`, and may vote. */
  function established(): Machine {
    const machine = new Machine("b");
    machine.tick(4000);
    machine.hear("a", 1);
    machine.hear("c", 1);
    machine.answerRead(leads("a", "100", { a: open }));
    machine.actions = [];
    return machine;
  }

  it("asks after the grant time only, and does not grant while its own yes binds it", () => {
    const machine = established();
    machine.tick(1120);
    expect(machine.messages("question")).toEqual([]);
    machine.tick(160);
    expect(machine.messages("question").map(({ about }) => about)).toContain("a");
    machine.actions = [];
    machine.hear("a", 2, "closed");
    expect(machine.messages("ack").at(-1)?.verdict).toBe("refused");
    machine.now += 3000;
    machine.hear("a", 3, "closed");
    expect(machine.messages("ack").at(-1)?.verdict).toBe("granted");
  });

  it("says no while the host is acknowledged, and yes behind the grant time", () => {
    const machine = established();
    const question = { kind: "question", from: "c", about: "a", incarnation: "c.1", round: 1 } as const;
    machine.now += 1000;
    machine.give({ kind: "message", message: question });
    expect(machine.messages("answer").at(-1)?.yes).toBe(false);
    machine.now += 300;
    machine.give({ kind: "message", message: { ...question, round: 2 } });
    expect(machine.messages("answer").at(-1)?.yes).toBe(true);
  });

  it("says no for the grant time behind a restart", () => {
    const machine = new Machine("b");
    const question = { kind: "question", from: "c", about: "a", incarnation: "c.1", round: 1 } as const;
    machine.now += 1100;
    machine.give({ kind: "message", message: question });
    expect(machine.messages("answer").at(-1)?.yes).toBe(false);
  });

  it("fences exactly the record and lease that were read before the vote, then revokes, and cuts the host off", () => {
    const machine = established();
    machine.tick(1240);
    const round = machine.messages("question").findLast(({ about }) => about === "a")?.round ?? 0;
    machine.give({
      kind: "message",
      message: { kind: "answer", from: "c", about: "a", incarnation: "b.1", round, yes: true },
    });
    const [fence] = machine.of("write-record");
    expect(fence).toMatchObject({
      host: "a",
      record: { state: "fenced", lease: "100" },
      revision: "7",
      leaderLease: "100",
    });
    expect(machine.of("block").map(({ host }) => host)).toContain("a");
    expect(machine.of("revoke")).toEqual([]);
    machine.give({ kind: "written", id: fence?.id ?? 0, revision: "8" });
    expect(machine.of("revoke").map(({ lease }) => lease)).toEqual(["100"]);
  });

  it("readmits a host that was called dead only when it says that its gate is closed", () => {
    const machine = established();
    machine.tick(1240);
    const round = machine.messages("question").findLast(({ about }) => about === "a")?.round ?? 0;
    machine.give({
      kind: "message",
      message: { kind: "answer", from: "c", about: "a", incarnation: "b.1", round, yes: true },
    });
    machine.now += 10_000;
    machine.hear("a", 2, "open");
    expect(machine.messages("ack").at(-1)?.verdict).toBe("dead");
    machine.hear("a", 3, "closed");
    expect(machine.messages("ack").at(-1)?.verdict).toBe("granted");
    expect(machine.of("unblock").map(({ host }) => host)).toContain("a");
  });
});

describe("a failed PostgreSQL", () => {
  it.each(["crashed", "silent"] as const)("%s: closes the gate, then fences itself and revokes", (status) => {
    const machine = servingPrimary();
    machine.actions = [];
    for (let probe = 0; probe < 3; probe++) {
      machine.now += 10;
      machine.give({ kind: "postgres", begunAt: machine.now, status, upstream: null });
    }
    expect(machine.of("gate").at(-1)).toMatchObject({ gate: "closed", handsOver: true });
    expect(machine.of("write-record")).toEqual([]);
    machine.doGate();
    const [fence] = machine.of("write-record");
    expect(fence).toMatchObject({ host: "a", record: { state: "fenced", lease: "100" }, revision: "7" });
  });

  it("stopped in order: nothing happens", () => {
    const machine = servingPrimary();
    machine.actions = [];
    machine.give({ kind: "postgres", begunAt: machine.now, status: "stopped", upstream: null });
    machine.tick(80);
    expect(machine.of("gate").filter(({ gate }) => gate === "closed")).toEqual([]);
    expect(machine.of("write-record")).toEqual([]);
  });

  it("stopped in order for a switchover: looks at once whether it was, and hands over as if it had failed", () => {
    const machine = servingPrimary();
    machine.actions = [];
    machine.now += 200;
    machine.give({ kind: "postgres", begunAt: machine.now, status: "stopped", upstream: null });
    expect(machine.of("read")).toHaveLength(1);
    expect(machine.of("gate").filter(({ gate }) => gate === "closed")).toEqual([]);
    machine.answerRead({ ...leads("a", "100", { a: open }), switchover: "a" });
    expect(machine.of("gate").at(-1)?.gate).toBe("closed");
    expect(machine.of("write-record")).toEqual([]);
    machine.doGate();
    const [fence] = machine.of("write-record");
    expect(fence).toMatchObject({ host: "a", record: { state: "fenced", lease: "100" }, leaderLease: "100" });
    machine.give({ kind: "written", id: fence?.id ?? 0, revision: "8" });
    expect(machine.of("revoke").map(({ lease }) => lease)).toEqual(["100"]);
    expect(machine.of("log").map(({ what }) => what)).not.toContain("postgres-failed");
  });

  it("is not closed while a switchover still stops it: that would hold it up", () => {
    const machine = servingPrimary();
    machine.actions = [];
    for (let heartbeat = 0; heartbeat < 15; heartbeat++) {
      machine.tick(80);
      machine.granted("b");
    }
    machine.answerRead({ ...leads("a", "100", { a: open }), switchover: "a" });
    machine.give({ kind: "postgres", begunAt: machine.now, status: "starting", upstream: null });
    expect(machine.of("gate").filter(({ gate }) => gate === "closed")).toEqual([]);
    expect(machine.of("write-record")).toEqual([]);
  });

  it("goes on serving while a switchover has not stopped it yet", () => {
    const machine = servingPrimary();
    machine.actions = [];
    for (let heartbeat = 0; heartbeat < 15; heartbeat++) {
      machine.tick(80);
      machine.granted("b");
    }
    machine.answerRead({ ...leads("a", "100", { a: open }), switchover: "a" });
    expect(machine.of("gate").filter(({ gate }) => gate === "closed")).toEqual([]);
    expect(machine.of("write-record")).toEqual([]);
  });

  it("another host's switchover stops nobody here", () => {
    const machine = servingPrimary();
    machine.actions = [];
    machine.now += 200;
    machine.give({ kind: "postgres", begunAt: machine.now, status: "stopped", upstream: null });
    machine.answerRead({ ...leads("a", "100", { a: open }), switchover: "b" });
    expect(machine.of("gate").filter(({ gate }) => gate === "closed")).toEqual([]);
  });
});

describe("going back to plain Patroni", () => {
  it("an agent that leaves writes its record before it removes the gate", () => {
    const machine = servingPrimary();
    machine.actions = [];
    machine.give({ kind: "leave" });
    const [write] = machine.of("write-record");
    expect(write?.record.state).toBe("unarmed");
    expect(machine.of("gate").map(({ gate }) => gate)).not.toContain("absent");
    machine.give({ kind: "written", id: write?.id ?? 0, revision: "9" });
    expect(machine.of("gate").at(-1)?.gate).toBe("absent");
    machine.doGate();
    machine.tick(3000);
    expect(machine.of("left").length).toBeGreaterThan(0);
  });

  it("a lone agent never loads the table", () => {
    const machine = new Machine("a");
    machine.give({ kind: "tick" });
    machine.answerRead(leads("a"));
    machine.give({ kind: "postgres", begunAt: machine.now, status: "primary", upstream: null });
    machine.tick(5000);
    expect(machine.of("gate")).toEqual([]);
  });

  it("a primary that leads by its failsafe only is not armed", () => {
    const machine = new Machine("a");
    machine.give({ kind: "tick" });
    machine.answerRead({ leader: null, switchover: null, records: {} });
    machine.give({ kind: "postgres", begunAt: machine.now, status: "primary", upstream: null });
    machine.now += 10;
    machine.give({ kind: "failsafe", begunAt: machine.now });
    machine.hear("b", 1);
    machine.granted("b");
    expect(machine.of("gate")).toEqual([]);
  });
});
