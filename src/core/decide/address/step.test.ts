import { expect, it } from "vitest";
import { defaultSettings } from "./defaults.ts";
import { initialState, step } from "./step.ts";
import type {
  ControllerAction,
  ControllerEvent,
  ControllerSettings,
  ControllerState,
  Holder,
} from "./types.ts";

type Unsent<Event> = Event extends ControllerEvent ? Omit<Event, "random"> : never;

const HERE: Holder = { instanceId: "i-here", networkInterfaceId: "eni-here", privateAddress: "10.0.0.1" };
const PEER: Holder = { instanceId: "i-peer", networkInterfaceId: "eni-peer", privateAddress: "10.0.0.2" };
const own = {
  id: "eipalloc-1",
  target: { instanceId: "i-here", networkInterfaceId: null, privateAddress: null },
  canReassociate: true,
};

/** A controller that is driven by hand. */
class Driven {
  readonly settings: ControllerSettings;
  state: ControllerState;
  now = 1_000_000;
  actions: readonly ControllerAction[] = [];

  constructor(settings = defaultSettings([own])) {
    this.settings = settings;
    this.state = initialState(settings, this.now);
  }

  send(event: Unsent<ControllerEvent>): readonly ControllerAction[] {
    const { state, actions } = step(this.settings, this.state, { ...event, random: 0.5 }, this.now);
    this.state = state;
    this.actions = [...this.actions, ...actions];
    return actions;
  }

  wait(ms: number): readonly ControllerAction[] {
    this.now += ms;
    return this.send({ kind: "tick" });
  }

  role(
    role: "master" | "backup" | "fault",
    lease: "mine" | "other" | "none" = "none",
  ): readonly ControllerAction[] {
    return this.send({ kind: "observed", role, healthy: true, lease });
  }

  /** The number of the call of this kind that was asked for last. */
  call(kind: "describe" | "associate" | "disassociate" | "probe"): number {
    const found = this.actions.findLast((action) => action.kind === kind);
    if (found === undefined || !("call" in found)) throw new Error(`no ${kind} was asked for`);
    return found.call;
  }

  describes(holder: Holder | null, associationId: string | null): readonly ControllerAction[] {
    return this.send({ kind: "described", call: this.call("describe"), holder, associationId });
  }

  probes(service: "serves" | "silent", peer: "master" | "backup" | "silent"): readonly ControllerAction[] {
    return this.send({ kind: "probed", call: this.call("probe"), service, peer, instance: "unknown" });
  }
}

const kinds = (actions: readonly ControllerAction[]): string[] => actions.map(({ kind }) => kind);

/** A backup that knows its peer to have the address. */
function backup(settings?: ControllerSettings): Driven {
  const driven = new Driven(settings);
  driven.role("backup");
  driven.describes(PEER, "eipassoc-1");
  return driven;
}

function takes(driven: Driven): void {
  driven.role("master");
  driven.now += 50;
  driven.probes("silent", "silent");
  driven.now += 50;
  driven.probes("silent", "silent");
}

it("takes the address of a silent holder by one call, a blip's time after it became master", () => {
  const driven = backup();
  takes(driven);
  const changes = driven.actions.filter(({ kind }) => kind === "associate" || kind === "disassociate");
  expect(changes).toMatchObject([{ kind: "associate", allowReassociation: true, target: own.target }]);
});

it("does nothing after a blip", () => {
  const driven = backup();
  driven.role("master");
  driven.now += 50;
  driven.probes("silent", "silent");
  driven.now += 20;
  driven.role("backup");
  expect(kinds(driven.wait(1000))).not.toContain("associate");
});

it("leaves the address with a master that serves, and says so once", () => {
  const driven = backup();
  driven.role("master");
  for (let probe = 0; probe < 5; probe++) {
    driven.now += 50;
    driven.probes("serves", "silent");
    driven.wait(1000);
  }
  expect(kinds(driven.actions)).not.toContain("associate");
  expect(driven.actions.filter(({ kind }) => kind === "alarm")).toHaveLength(1);
});

it("takes the address from a backup that serves, once it is sure that it is there", () => {
  const driven = backup();
  driven.now += 1000;
  driven.role("master");
  driven.now += 120;
  expect(kinds(driven.probes("serves", "backup"))).not.toContain("associate");
  expect(kinds(driven.describes(PEER, "eipassoc-1"))).toContain("associate");
});

it("what the former holder answers says nothing of the present one", () => {
  const driven = backup();
  driven.now += 1000;
  driven.role("master");
  driven.now += 120;
  const asked = driven.call("probe");
  const other = { ...PEER, instanceId: "i-other", networkInterfaceId: "eni-other" };
  driven.describes(other, "eipassoc-2");
  const late = {
    kind: "probed",
    call: asked,
    service: "serves",
    peer: "backup",
    instance: "unknown",
  } as const;
  expect(kinds(driven.send(late))).not.toContain("associate");
  expect(kinds(driven.probes("serves", "master"))).not.toContain("associate");
});

it("as backup changes nothing, wherever the address is", () => {
  const driven = new Driven();
  driven.role("backup");
  for (const holder of [HERE, null, PEER]) {
    driven.describes(holder, holder === null ? null : "eipassoc-1");
    driven.wait(20_000);
  }
  const changes = ["associate", "disassociate", "probe"];
  expect(kinds(driven.actions).filter((kind) => changes.includes(kind))).toEqual([]);
  expect(kinds(driven.actions)).toContain("describe");
});

it("an address that is nobody's is taken by compare-and-set", () => {
  const driven = new Driven();
  driven.role("backup");
  driven.describes(null, null);
  driven.role("master");
  expect(driven.wait(100)).toMatchObject([{ kind: "associate", allowReassociation: false }]);
});

it("does not write again because of a stale read, but does because of news", () => {
  const driven = backup();
  takes(driven);
  driven.send({ kind: "associated", call: driven.call("associate"), associationId: "eipassoc-2" });
  driven.wait(300);
  expect(kinds(driven.describes(PEER, "eipassoc-1"))).not.toContain("probe");
  driven.wait(1000);
  expect(kinds(driven.describes(PEER, "eipassoc-3"))).toContain("probe");
});

it("looks again after an unknown outcome, and asks for one thing at a time", () => {
  const driven = backup();
  takes(driven);
  expect(driven.wait(500)).toEqual([]);
  const call = driven.call("associate");
  driven.send({ kind: "failed", call, reason: "unknown", message: "timeout" });
  expect(kinds(driven.wait(1000))).toContain("describe");
  expect(kinds(driven.describes(HERE, "eipassoc-2"))).toContain("announce");
  // Its late answer is not awaited any more.
  expect(driven.send({ kind: "associated", call, associationId: "eipassoc-2" })).toEqual([]);
});

it("a master that cannot take an address nobody serves gives up being master until calls work", () => {
  const driven = backup();
  takes(driven);
  driven.send({ kind: "failed", call: driven.call("associate"), reason: "not-sent", message: "no route" });
  for (let second = 0; second < 5; second++) {
    driven.wait(1000);
    if (driven.state.addresses[0]?.api !== null) {
      driven.send({
        kind: "failed",
        call: driven.state.addresses[0]?.api?.call ?? 0,
        reason: "not-sent",
        message: "no route",
      });
    }
    if (driven.state.addresses[0]?.probe !== null) driven.probes("silent", "silent");
  }
  expect(driven.actions.filter(({ kind }) => kind === "set-fit")).toMatchObject([
    { fit: true },
    { fit: false },
  ]);
  driven.role("fault");
  driven.wait(5000);
  expect(driven.describes(PEER, "eipassoc-1")).toContainEqual(
    expect.objectContaining({ kind: "set-fit", fit: true }),
  );
});

it("in strict mode waits for the lease", () => {
  const driven = backup(defaultSettings([own], "strict"));
  driven.role("master");
  driven.wait(500);
  expect(kinds(driven.actions)).not.toContain("probe");
  driven.role("master", "mine");
  driven.now += 50;
  driven.probes("silent", "silent");
  driven.probes("silent", "silent");
  expect(kinds(driven.actions)).toContain("associate");
});

it("looks at its role again before it acts on what it knew before it stood still", () => {
  const driven = new Driven();
  driven.role("backup");
  driven.describes(null, null);
  driven.role("master");
  const actions = driven.wait(60_000);
  expect(kinds(actions)).toContain("observe");
  expect(kinds(actions)).not.toContain("associate");
  expect(kinds(driven.role("backup"))).not.toContain("associate");
});
