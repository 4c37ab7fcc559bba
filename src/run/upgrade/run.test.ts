import { describe, expect, it } from "vitest";
import { type Action, describeAction, type Rollback, type Strategy } from "../../core/upgrade/actions.ts";
import {
  actionsOf,
  beginUpgrade,
  recordSchema,
  targetOf,
  turnBack,
  type UpgradeRecord,
} from "../../core/upgrade/record.ts";
import { ExitStatus, HoldfastError, HostUnreachable } from "../../lib/errors.ts";
import type { Reporter } from "../../ports.ts";
import { runUpgrade } from "./run.ts";

const quiet: Reporter = {
  info: () => undefined,
  warn: () => undefined,
  event: () => undefined,
  task: () => ({ update: () => undefined, done: () => undefined, fail: () => undefined }),
};

const hosts = ["app1", "app2", "app3"];
const begun = (strategy: Strategy = "rolling", rollback: Rollback = "release"): UpgradeRecord =>
  beginUpgrade({
    strategy,
    rollback,
    hosts,
    from: { version: "1.0.0", sha256: "a".repeat(64), package: "/p/shop-1.0.0.tar.gz" },
    to: { version: "2.0.0", sha256: "b".repeat(64), package: "/p/shop-2.0.0.tar.gz" },
    startedAt: 0,
    responseMs: null,
  });

class Killed extends Error {}

/** The hosts of a service, as far as an upgrade changes them, and the record's file. */
class World {
  readonly release = new Map(hosts.map((host) => [host, "1.0.0"]));
  readonly running = new Set(hosts);
  readonly pool = new Set(hosts);
  readonly packages = new Set<string>();
  topology = "1.0.0";
  schema = "1.0.0";
  file: string | null = null;
  readonly done: string[] = [];
  /** Fewest hosts that ever served. */
  least = hosts.length;

  do(action: Action, record: UpgradeRecord): void {
    this.done.push(`${record.direction} ${describeAction(action)}`);
    switch (action.kind) {
      case "stage":
        this.packages.add(action.host);
        break;
      case "unstage":
        this.packages.delete(action.host);
        break;
      case "drain":
        this.pool.delete(action.host);
        break;
      case "stop":
        for (const host of action.hosts) this.running.delete(host);
        break;
      case "install":
        if (record.direction === "forward" && action.host === hosts[0]) this.schema = record.to.version;
        if (record.rollback === "migration")
          must(this.schema === targetOf(record).version, "started a release on another's schema");
        this.release.set(action.host, targetOf(record).version);
        this.running.add(action.host);
        if (record.direction === "back") this.packages.delete(action.host);
        break;
      case "verify":
        must(this.release.get(action.host) === targetOf(record).version, "verified the wrong release");
        break;
      case "admit":
        must(this.running.has(action.host), "admitted a host that does not run");
        this.pool.add(action.host);
        break;
      case "watch":
        must(this.pool.has(action.host), "watched a host that is out of the pool");
        break;
      case "adopt":
        this.topology = record.to.version;
        break;
      case "downgrade":
        must(this.running.size === 0, "took a migration back under a running app");
        this.schema = record.from.version;
        break;
      case "prune":
        break;
    }
    this.least = Math.min(this.least, hosts.filter((host) => this.serves(host)).length);
  }
  serves = (host: string): boolean => this.pool.has(host) && this.running.has(host);

  save = (record: UpgradeRecord): Promise<void> => {
    this.file = JSON.stringify(record);
    return Promise.resolve();
  };
  read = (): UpgradeRecord => recordSchema.parse(JSON.parse(this.file ?? "null"));

  /** What there is in the end: everything of one version, and nothing of the other. */
  state() {
    const { topology, packages, release } = this;
    return {
      releases: [...release.values()],
      serving: hosts.filter((host) => this.serves(host)),
      topology,
      packages: packages.size,
    };
  }
}

const everywhere = (version: string): ReturnType<World["state"]> => ({
  releases: hosts.map(() => version),
  serving: hosts,
  topology: version,
  packages: version === "2.0.0" ? hosts.length : 0,
});

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

/** Performs on the world; `hook` runs before and after each action and may throw. */
function contextOf(
  world: World,
  hook: (when: "before" | "after", action: Action, record: UpgradeRecord) => void = () => undefined,
) {
  return {
    save: world.save,
    reporter: quiet,
    signal: new AbortController().signal,
    perform: (action: Action, record: UpgradeRecord): Promise<undefined> => {
      hook("before", action, record);
      world.do(action, record);
      hook("after", action, record);
      return Promise.resolve(undefined);
    },
  };
}

const ways: readonly (readonly [Strategy, Rollback])[] = [
  ["rolling", "release"],
  ["limited-downtime", "release"],
  ["limited-downtime", "migration"],
];

describe.each(ways)("%s, taken back by the %s", (strategy, rollback) => {
  const actions = actionsOf(begun(strategy, rollback));

  it("takes every host to the new release", async () => {
    const world = new World();
    const end = await runUpgrade(begun(strategy, rollback), contextOf(world));
    expect(end.direction).toBe("forward");
    expect(world.state()).toEqual(everywhere("2.0.0"));
    expect(world.least).toBe(strategy === "rolling" ? hosts.length - 1 : 0);
  });

  // kill -9 at any point: before an action, and after it but before anybody has written that down.
  it.each(
    actions.flatMap((_, index) => (["before", "after"] as const).map((when) => [when, index] as const)),
  )("goes on when it was killed %s action %i", async (when, index) => {
    const world = new World();
    let at = -1;
    const killer = contextOf(world, (moment) => {
      if (moment === "before") at += 1;
      if (moment === when && at === index) throw new Killed();
    });
    await expect(runUpgrade(begun(strategy, rollback), killer)).rejects.toThrow(Killed);
    await runUpgrade(world.read(), contextOf(world));
    expect(world.state()).toEqual(everywhere("2.0.0"));
    expect(world.least).toBe(strategy === "rolling" ? hosts.length - 1 : 0);
  });

  const canFail = actions.slice(
    0,
    actions.findIndex(({ kind }) => kind === "adopt"),
  );

  it.each(canFail.map((action, index) => [describeAction(action), index] as const))(
    "goes back when this fails: %s",
    async (_, index) => {
      const world = new World();
      let at = -1;
      const failing = contextOf(world, (moment, __, record) => {
        if (record.direction === "back") return;
        if (moment === "before") at += 1;
        if (moment === "after" && at === index) throw new HoldfastError("the gate says no");
      });
      const end = await runUpgrade(begun(strategy, rollback), failing);
      expect(end).toMatchObject({ direction: "back", why: expect.stringContaining("the gate says no") });
      expect(world.state()).toEqual(everywhere("1.0.0"));
      expect(world.least).toBeGreaterThanOrEqual(strategy === "rolling" ? hosts.length - 1 : 0);
    },
  );

  it("goes on going back when it was killed at any point of that", async () => {
    const failed = canFail.length - 1;
    for (let kill = 0; ; kill += 1) {
      const world = new World();
      let forward = -1;
      let back = -1;
      const failing = contextOf(world, (moment, _, record) => {
        if (record.direction === "back") {
          if (moment === "before") back += 1;
          if (moment === "after" && back === kill) throw new Killed();
          return;
        }
        if (moment === "before") forward += 1;
        if (moment === "after" && forward === failed) throw new HoldfastError("no");
      });
      const ended = await runUpgrade(begun(strategy, rollback), failing).then(
        () => true,
        () => false,
      );
      if (!ended) await runUpgrade(world.read(), contextOf(world));
      expect(world.state()).toEqual(everywhere("1.0.0"));
      if (ended) break;
    }
  });
});

describe("an upgrade stops where it is", () => {
  const failAt = (world: World, kind: Action["kind"], error: Error) =>
    contextOf(world, (moment, action) => {
      if (moment === "before" && action.kind === kind) throw error;
    });

  it("when a host cannot be reached: that says nothing about the release", async () => {
    const world = new World();
    const cause = new HostUnreachable("app1", "it is off");
    const wrapped = new HoldfastError("host app1 cannot be reached (while performing: start)", { cause });
    for (const error of [cause, wrapped]) {
      const run = runUpgrade(begun(), failAt(world, "install", error));
      await expect(run).rejects.toThrow('the upgrade to 2.0.0 stopped at "install on app1"');
      expect(world.read()).toMatchObject({ direction: "forward", position: 4 });
    }
    await runUpgrade(world.read(), contextOf(world));
    expect(world.state()).toEqual(everywhere("2.0.0"));
  });

  it("when it cannot be taken back, or going back fails", async () => {
    const world = new World();
    const no = new HoldfastError("no");
    const run = runUpgrade(begun("limited-downtime", "none"), failAt(world, "verify", no));
    await expect(run).rejects.toThrow(/the upgrade to 2\.0\.0 stopped at "verify app1": no/);
    const back = runUpgrade(begun(), failAt(new World(), "verify", no));
    await expect(back).rejects.toThrow(/going back to 1\.0\.0 stopped at "verify app1"/);
  });

  it("when it is interrupted, and is taken back when the operator wants that", async () => {
    const world = new World();
    const controller = new AbortController();
    const context = contextOf(world, (moment, action) => {
      if (moment === "after" && action.kind === "watch") controller.abort();
    });
    const run = runUpgrade(begun(), { ...context, signal: controller.signal });
    await expect(run).rejects.toMatchObject({ exitStatus: ExitStatus.aborted });
    expect(world.release.get("app1")).toBe("2.0.0");
    await runUpgrade(turnBack(world.read(), "asked"), contextOf(world));
    expect(world.state()).toEqual(everywhere("1.0.0"));
  });
});
